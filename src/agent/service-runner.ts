import { Attempts } from './attempts';
import { ContainerDigests } from './container-digests';
import { ContainerProbes } from './container-probes';
import { engineRefusal } from './engine-refusal';
import { ImagePuller } from './image-puller';
import { KeptContainer } from './kept-container';
import { containerBody, containerName, networksOf } from './rules/container-body';
import type { RunnerOptions } from './runner-options';
import { pullReference } from './rules/image-digest';
import { nextStep, type Step } from './rules/next-step';
import type { SeenContainer } from './rules/seen-container';
import { withDigest, type ServiceRecord } from './rules/service-record';
import { unknownState, type ServiceState } from './rules/service-report';
import { judgeTrial } from './rules/trial';
import type { WantedService } from './rules/wanted-service';
import { WantedImage } from './wanted-image';

/** Brings one service from what exists to what is wanted, one step a turn, and says what it is at. */
export class ServiceRunner {
  wanted: WantedService;
  version: number | null;
  state: ServiceState = unknownState;
  readonly #options: RunnerOptions;
  readonly #image: WantedImage;
  readonly #probes: ContainerProbes;
  readonly #kept: KeptContainer;
  readonly #digests: ContainerDigests;
  /** Of the engine to bring back what is proven. */
  readonly #refusals = new Attempts();
  readonly #lifts = new Attempts();
  #lifting = '';
  /** The target that the turn under way is for. */
  #turnFor: { spec: string; version: number | null };

  constructor(wanted: WantedService, version: number | null, options: RunnerOptions) {
    this.wanted = wanted;
    this.version = version;
    this.#turnFor = { spec: wanted.spec, version };
    this.#options = options;
    const puller = new ImagePuller({ ...options, pullLimitMs: options.times.pullMs });
    this.#image = new WantedImage(puller, options.signal);
    this.#probes = new ContainerProbes(options.engine);
    this.#kept = new KeptContainer(options);
    this.#digests = new ContainerDigests(options.engine);
  }

  /** Another target state. The same spec in a newer version is another try of one that failed. */
  want(wanted: WantedService, version: number | null): void {
    const otherSpec = wanted.spec !== this.wanted.spec;
    const another = otherSpec || version !== this.version;
    // What became of the target before is no answer to this one. A version alone does not make a running service prove itself again.
    if (otherSpec || (another && ['failed', 'rejected'].includes(this.state.status))) this.state = unknownState;
    if (otherSpec || wanted.state !== this.wanted.state) this.giveUpPull();
    this.wanted = wanted;
    this.version = version;
    if (!another) return;
    this.#refusals.forget();
    this.#image.tryAtOnce();
    // Another try of what failed is one of what its tag points to by now.
    if (this.#options.readRecord().failed?.spec === wanted.spec) this.#image.forget();
  }

  giveUpPull(): void {
    this.#image.giveUp();
  }

  /** Takes one step. @returns whether something was changed, so that the next step may be due at once. */
  async turn(containers: readonly SeenContainer[]): Promise<boolean> {
    const lock = this.#options.lock();
    const { wanted, version } = this;
    this.#turnFor = { spec: wanted.spec, version };
    const record = this.#options.readRecord();
    const imageReady = this.#image.isReady(wanted);
    const step = nextStep({ wanted, version, containers, record, imageReady, locked: lock !== null, now: Date.now() });
    const changed = await this.#take(step, record, wanted, containers, lock);
    return changed || this.#isOvertaken();
  }

  /** Another target came while the turn was under way: how the turn ends says nothing about that one. */
  #isOvertaken(): boolean {
    return this.#turnFor.spec !== this.wanted.spec || this.#turnFor.version !== this.version;
  }

  #take(
    step: Step,
    record: ServiceRecord,
    wanted: WantedService,
    containers: readonly SeenContainer[],
    lock: string | null,
  ): Promise<boolean> | boolean {
    const running = containers.find(({ state }) => state === 'running') ?? null;
    switch (step.kind) {
      case 'locked': {
        const status = this.#options.lockMode === 'reject' ? 'rejected' : 'waiting';
        return this.#say({ status, message: lock }, running);
      }
      case 'pull':
        return this.#pull(record, wanted, running);
      case 'create':
        return this.#create(record, wanted, running);
      case 'start':
        return this.#start(step.container, step.stop, record, wanted);
      case 'lift':
        return this.#lift(step.container);
      case 'judge':
        return this.#judge(step.container, step.fallback, record, wanted);
      case 'remove':
        return this.#remove(step.containers);
      case 'keep':
        return this.#keep(step.container, wanted, record);
      case 'rest':
        return this.#say({ status: 'failed', message: failure(record, step.fallback, 'runs again') }, step.fallback);
      case 'stopped':
        return this.#say({ status: 'stopped' }, null);
    }
  }

  async #pull(record: ServiceRecord, wanted: WantedService, running: SeenContainer | null): Promise<boolean> {
    if (this.#image.isTooSoon) return false;
    if (this.state.status !== 'failed' || !this.#image.isWaiting)
      this.#say({ status: 'pulling', message: this.state.status === 'pulling' ? this.state.message : null }, running);
    const outcome = await this.#image.pull(wanted, record.digests);
    if (outcome === null) return true;
    if (outcome.kind === 'failed') {
      if (this.#isOvertaken()) return true;
      this.#image.tryAgainAt(outcome.retryAtMs);
      return this.#say({ status: outcome.final ? 'failed' : 'pulling', message: outcome.reason }, running);
    }
    this.#options.writeRecord(withDigest(this.#options.readRecord(), outcome.image));
    return true;
  }

  async #create(record: ServiceRecord, wanted: WantedService, running: SeenContainer | null): Promise<boolean> {
    const { engine, deviceUuid } = this.#options;
    if (this.#refusals.isTooSoon()) return false;
    this.#say({ status: 'updating' }, running);
    const name = containerName(deviceUuid, wanted);
    const networks = networksOf(deviceUuid, wanted);
    try {
      for (const network of networks) await engine.ensureNetwork(network);
      await engine.create(name, containerBody(deviceUuid, wanted, pullReference(wanted.imageName)));
      for (const network of networks.slice(1)) await engine.connect(network, name, wanted.serviceName ?? wanted.key);
    } catch (error) {
      const refusal = engineRefusal(error);
      if (!this.#image.pullAgainIfMissing(refusal.missingImage))
        this.#refused(`CreateContainerError: ${refusal.message}`, running, record, wanted);
    }
    return true;
  }

  async #start(
    container: SeenContainer,
    stop: readonly SeenContainer[],
    record: ServiceRecord,
    wanted: WantedService,
  ): Promise<boolean> {
    const { engine, times, writeRecord, log } = this.#options;
    if (this.#refusals.isTooSoon()) return false;
    this.#say({ status: 'updating', containerId: container.id }, null);
    writeRecord({ ...record, trial: { spec: wanted.spec, startedAtMs: Date.now(), restarts: container.restarts } });
    for (const old of stop) await engine.stop(old.id, times.stopSeconds);
    log.info({ image: wanted.imageName, container: container.name, stopped: stop.map(({ name }) => name) }, 'starting');
    try {
      await engine.start(container.id);
      this.#refusals.forget();
    } catch (error) {
      this.#refused(`StartFailure: ${engineRefusal(error).message}`, stop[0] ?? null, record, wanted);
    }
    return true;
  }

  async #lift(container: SeenContainer): Promise<boolean> {
    if (this.#lifting !== container.id) this.#lifts.forget();
    this.#lifting = container.id;
    if (this.#lifts.isTooSoon()) return false;
    this.#lifts.note();
    this.#options.log.info({ container: container.name, image: container.imageName }, 'starting what ran before');
    await this.#options.engine.start(container.id);
    return true;
  }

  async #judge(
    container: SeenContainer,
    fallback: SeenContainer | null,
    record: ServiceRecord,
    wanted: WantedService,
  ): Promise<boolean> {
    const { times, writeRecord } = this.#options;
    const trial = record.trial ?? { spec: wanted.spec, startedAtMs: Date.now(), restarts: container.restarts };
    if (record.trial === null) writeRecord({ ...record, trial });
    const probes =
      container.state === 'running'
        ? await this.#probes.ask(container, wanted.config)
        : { ready: false, dead: false, problem: null };
    const verdict = judgeTrial({
      ...{ container, restartsBefore: trial.restarts, trialStartedAtMs: trial.startedAtMs, now: Date.now() },
      ...{ ...probes, settleMs: times.settleMs, deadlineMs: times.healthMs },
    });
    const digest = await this.#digests.of(container, record.digests);
    switch (verdict.kind) {
      case 'waiting':
        return this.#say(
          { status: 'health_checking', message: verdict.reason, digest, containerId: container.id },
          null,
        );
      case 'failed':
        this.#fail(verdict.reason, fallback, { ...record, trial }, wanted, digest);
        return fallback !== null;
      case 'healthy':
        writeRecord({ ...this.#options.readRecord(), good: wanted.spec, trial: null, failed: null });
        this.#options.log.info({ image: wanted.imageName, container: container.name }, 'healthy');
        return true;
    }
  }

  async #keep(container: SeenContainer, wanted: WantedService, record: ServiceRecord): Promise<boolean> {
    const alive = container.state === 'running';
    const probes = alive ? await this.#probes.ask(container, wanted.config) : null;
    const { changed, ...said } = await this.#kept.lookAfter(container, wanted, probes);
    this.#say({ ...said, digest: await this.#digests.of(container, record.digests), containerId: container.id }, null);
    return changed;
  }

  async #remove(containers: readonly SeenContainer[]): Promise<boolean> {
    const { engine, times, log } = this.#options;
    for (const { id, name, state } of containers) {
      if (state === 'running') await engine.stop(id, times.stopSeconds);
      await engine.remove(id);
      log.info({ container: name }, 'removed');
    }
    return true;
  }

  /** Of what is proven a refusal is no failure, as it says something about the machine at that moment: it is tried on. */
  #refused(reason: string, runs: SeenContainer | null, record: ServiceRecord, wanted: WantedService): void {
    if (record.good !== wanted.spec) {
      this.#fail(reason, runs, record, wanted);
      return;
    }
    this.#refusals.note();
    this.#options.log.warn(
      { image: wanted.imageName, reason },
      'the engine refuses what ran before; it is tried again',
    );
    this.#say({ status: 'updating', message: reason }, runs);
  }

  /** Written before anything is put back, so that a crash in between does not try the failed one again. */
  #fail(
    reason: string,
    fallback: SeenContainer | null,
    record: ServiceRecord,
    wanted: WantedService,
    digest: string | null = null,
  ): void {
    const { failed: before } = record;
    const { version } = this.#turnFor;
    const again = before?.spec === wanted.spec && before.version === version;
    const failed = {
      spec: wanted.spec,
      version,
      reason,
      atMs: Date.now(),
      tries: again ? before.tries + 1 : 1,
    };
    const next = { ...record, trial: null, failed };
    this.#options.writeRecord(next);
    if (this.#isOvertaken()) this.#image.forget();
    this.#options.log.warn({ image: wanted.imageName, reason }, 'the update failed');
    this.#say({ status: 'failed', message: failure(next, fallback, 'is put back'), digest }, fallback);
  }

  #say(said: Partial<ServiceState>, runs: SeenContainer | null): false {
    if (this.#isOvertaken()) return false;
    const other = runs !== null && runs.spec !== this.wanted.spec ? runs : null;
    const next: ServiceState = {
      ...unknownState,
      ...said,
      runs: other === null ? null : { imageName: other.imageName, containerId: other.id },
    };
    if (JSON.stringify(next) !== JSON.stringify(this.state)) {
      this.state = next;
      this.#options.onState();
    }
    return false;
  }
}

function failure(record: ServiceRecord, fallback: SeenContainer | null, becomes: string): string {
  const reason = record.failed?.reason ?? 'failed';
  return fallback === null ? reason : `${reason}; ${fallback.imageName} ${becomes}`;
}
