import type { ServiceChange, ReportedService } from './report';

/**
 * A container that crashes and is started again may be caught running by every report. What gives it away is its restart
 * count, another container under the same service, or a status that comes and goes; so that is remembered of each service that
 * runs the wanted image, from one report to the next.
 */
export interface SeenRun {
  container: string | null;
  restarts: number | null;
  status: string;
  /** Restarts seen since the device was told. */
  seen: number;
}

/** By service. */
export type SeenRuns = Readonly<Record<string, SeenRun>>;

/** From so many on it is a crash loop; a container that waits for another one may start a second time. */
export const CRASH_LOOP = 3;

export interface RestartsSeen {
  runs: Record<string, SeenRun>;
  /** The service that was restarted since the report before, and how often since the device was told. */
  restarted: { name: string; seen: number } | null;
  /** Of those, whether only another container tells. */
  byContainerAlone: boolean;
}

/**
 * What the report adds to what was seen. `recreates` says of a service that its agent makes its container anew without need
 * (those of the first generation do, where it has volumes): another container is no evidence then.
 */
export function seeRestarts(
  before: SeenRuns,
  running: readonly { change: ServiceChange; service: ReportedService }[],
  recreates: (change: ServiceChange) => boolean = () => false,
): RestartsSeen {
  const result: RestartsSeen = { runs: {}, restarted: null, byContainerAlone: false };
  for (const { change, service } of running) {
    const key = runKey(change);
    const { added, byContainerAlone } = restartsBetween(before[key], service, recreates(change));
    const seen = Math.min((before[key]?.seen ?? 0) + added, 1_000_000);
    const status = service.status.toLowerCase();
    result.runs[key] = { container: service.containerId, restarts: service.restarts, status, seen };
    if (added === 0 || seen <= (result.restarted?.seen ?? 0)) continue;
    result.restarted = { name: change.service ?? key, seen };
    result.byContainerAlone ||= byContainerAlone;
  }
  return result;
}

function restartsBetween(
  before: SeenRun | undefined,
  { containerId, restarts, status }: ReportedService,
  recreates: boolean,
): { added: number; byContainerAlone: boolean } {
  if (before === undefined) return { added: 0, byContainerAlone: false };
  const counted = before.restarts !== null && restarts !== null ? Math.max(restarts - before.restarts, 0) : 0;
  const other = before.container !== null && containerId !== null && before.container !== containerId;
  const stopped = before.status === 'running' && status.toLowerCase() === 'restarting';
  const told = Math.max(counted, stopped ? 1 : 0);
  return { added: Math.max(told, other && !recreates ? 1 : 0), byContainerAlone: other && told === 0 };
}

export function runKey(change: ServiceChange): string {
  return `${change.app_id}/${String(change.service_id ?? change.service ?? change.index)}`;
}
