import { evidenceOf, type StatusCounts } from './verdict';

/** A rollout's or a batch's devices as people read them: the API's `counts`, the same everywhere. */
export interface PublicCounts {
  planned: number;
  attempted: number;
  /** Their target is written, and they have not said anything about it yet. */
  told: number;
  /** They said that they are at it. */
  updating: number;
  healthy: number;
  soaking: number;
  failed: number;
  timed_out: number;
  unreachable: number;
  skipped: number;
  deferred: number;
  superseded: number;
  rolling_back: number;
  rolled_back: number;
  rollback_failed: number;
  /** They failed, and did so before the rollout too: no evidence against it. */
  failing_before: number;
  already_on_target: number;
}

/** Devices of the image that got no batch at the plan. */
export interface Unplanned {
  alreadyOnTarget: number;
  /** By the tag rule; shown as skipped. */
  leftOut: number;
}

/** `planned` devices have a batch; those already on target at the plan never got one and are counted apart. */
export function publicCounts(counts: StatusCounts, { alreadyOnTarget, leftOut }: Unplanned): PublicCounts {
  const evidence = evidenceOf(counts);
  return {
    planned: Object.values(counts).reduce((sum, devices) => sum + devices, 0),
    attempted:
      evidence.attempted +
      (counts.rolling_back ?? 0) +
      (counts.rolled_back ?? 0) +
      (counts.rollback_failed ?? 0) +
      (counts.failing_before ?? 0),
    told: counts.scheduled ?? 0,
    updating: counts.updating ?? 0,
    healthy: evidence.healthy,
    soaking: evidence.soaking,
    failed: counts.failed ?? 0,
    timed_out: counts.timed_out ?? 0,
    unreachable: counts.unreachable ?? 0,
    skipped: (counts.skipped ?? 0) + leftOut,
    deferred: counts.deferred ?? 0,
    superseded: evidence.superseded,
    rolling_back: counts.rolling_back ?? 0,
    rolled_back: counts.rolled_back ?? 0,
    rollback_failed: counts.rollback_failed ?? 0,
    failing_before: counts.failing_before ?? 0,
    already_on_target: alreadyOnTarget,
  };
}
