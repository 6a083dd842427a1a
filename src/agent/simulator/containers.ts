import { planUpdate, type BehaviourKind, type Pace, type UpdateStep } from './behaviour';
import type { Random } from '../random';
import type { TargetApps } from './target-state';

/** A service as a report names it. Of the names, those are given that the target state gave. */
export interface ReportedService {
  serviceId?: number | string;
  serviceName?: string;
  imageName: string;
  status: UpdateStep['status'];
  imageDigest?: string;
}

type RunningState = Pick<ReportedService, 'imageName' | 'status' | 'imageDigest'>;

interface Container {
  appId: string;
  service: Pick<ReportedService, 'serviceId' | 'serviceName'>;
  wantedImage: string;
  /** What exists now; null until the first start. While an image is pulled, the old container goes on. */
  now: RunningState | null;
  /** The image that ran before the wanted one. */
  previousImage: string;
  steps: (UpdateStep & { at: number })[];
  loopMs?: number;
}

export interface ContainersOptions {
  behaviourOf: (imageName: string) => BehaviourKind;
  random: Random;
  pace: Pace;
}

/** The containers of one simulated device: what it was told, what it runs, and what will happen to it when. */
export class Containers {
  readonly #options: ContainersOptions;
  #containers = new Map<string, Container>();
  #adopted = false;
  silentUntil = 0;

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  /**
   * Takes a target state. The first one is adopted as already running: the fleet was there before the simulator. As with
   * the field's first agent, a service without `imageName` stops the device from applying anything, which answers false.
   */
  apply(apps: TargetApps, now: number): boolean {
    const services = Object.entries(apps).flatMap(([appId, app]) =>
      app.services.map((service) => ({ appId, ...service })),
    );
    if (services.some(({ imageName }) => imageName === undefined)) return false;
    const next = new Map<string, Container>();
    for (const { appId, serviceId, serviceName, imageName = '' } of services) {
      const key = JSON.stringify([appId, serviceId ?? serviceName ?? '']);
      const service = {
        ...(serviceId === undefined ? {} : { serviceId }),
        ...(serviceName === undefined ? {} : { serviceName }),
      };
      const known = this.#containers.get(key);
      if (!this.#adopted) {
        const running: RunningState = { imageName, status: 'running' };
        next.set(key, { appId, service, wantedImage: imageName, previousImage: imageName, now: running, steps: [] });
      } else if (known?.wantedImage === imageName) {
        next.set(key, known);
      } else {
        next.set(key, {
          appId,
          service,
          wantedImage: imageName,
          previousImage: known?.now?.imageName ?? imageName,
          now: known?.now ?? null,
          ...this.#plan(imageName, now),
        });
      }
    }
    this.#containers = next;
    this.#adopted = true;
    return true;
  }

  /** Lets happen what is due; answers whether a report would now read differently. */
  advance(now: number): boolean {
    let changed = false;
    for (const container of this.#containers.values()) {
      while (container.steps[0] !== undefined && container.steps[0].at <= now) {
        takeStep(container, container.steps[0]);
        changed = true;
      }
    }
    return changed;
  }

  /** When `advance` will next have something to do. */
  nextChangeAt(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { steps } of this.#containers.values()) earliest = Math.min(earliest, steps[0]?.at ?? earliest);
    return earliest;
  }

  /** The `apps` of a report. */
  report(): Record<string, { services: ReportedService[] }> {
    const apps: Record<string, { services: ReportedService[] }> = {};
    for (const { appId, service, now } of this.#containers.values()) {
      const app = (apps[appId] ??= { services: [] });
      if (now !== null) app.services.push({ ...service, ...now });
    }
    return apps;
  }

  #plan(imageName: string, now: number): Pick<Container, 'steps' | 'loopMs'> {
    const plan = planUpdate(this.#options.behaviourOf(imageName), this.#options.random, this.#options.pace);
    if (plan.silentMs > 0) this.silentUntil = now + plan.silentMs;
    const steps = plan.steps.map((step) => ({ ...step, at: now + step.afterMs }));
    return plan.loopMs === undefined ? { steps } : { steps, loopMs: plan.loopMs };
  }
}

function takeStep(container: Container, step: Container['steps'][number]): void {
  container.now = {
    imageName: step.previous === true ? container.previousImage : container.wantedImage,
    status: step.status,
    ...(step.digest === undefined ? {} : { imageDigest: step.digest }),
  };
  container.steps.shift();
  const { loopMs } = container;
  if (container.steps.length > 0 || loopMs === undefined) return;
  const status = step.status === 'running' ? 'exited' : 'running';
  container.steps.push({ afterMs: loopMs, status, at: step.at + loopMs });
}
