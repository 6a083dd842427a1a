import type { DeviceStatus } from './rollout-states';
import type { RolloutRules } from './rules';

/**
 * Devices by state; a state that no device is in may be absent. Two kinds are told apart from their states: `deferred` are
 * pending and wait for a wave because they were offline or came late; `failing_before` failed, but did so before the rollout.
 */
export type CountedStatus = DeviceStatus | 'deferred' | 'failing_before';
export type StatusCounts = Partial<Record<CountedStatus, number>>;

/**
 * What a verdict is made from. Devices that were superseded, put back, deferred, or failing before are nobody's evidence and
 * are in none of the numbers.
 */
export interface Evidence {
  attempted: number;
  healthy: number;
  /** Failed, timed out or unreachable. */
  failures: number;
  /** Of the failures, those that went silent when they were told. */
  unreachable: number;
  /** Healthy or a failure. */
  settled: number;
  soaking: number;
  superseded: number;
  /** Not yet told. */
  pending: number;
}

export type VerdictRule =
  'failure_rate' | 'max_failures' | 'silent_devices' | 'rollout_failure_rate' | 'all_settled' | 'no_attempted_device';
export type Verdict =
  | { kind: 'pass'; rule: VerdictRule; explanation: string }
  | { kind: 'fail'; rule: VerdictRule; explanation: string }
  | { kind: 'skipped'; rule: VerdictRule; explanation: string }
  | { kind: 'wait'; explanation: string };

export type VerdictRules = Pick<RolloutRules, 'maxFailureRate' | 'maxFailures' | 'minSample'>;

/** A device that goes silent when it is told may be bricked: two of them in a batch smaller than this stop it. */
const SMALL_BATCH = 20;
const SILENT_IN_A_SMALL_BATCH = 2;
/** In the failure rate, a silent device counts as so many failed ones. */
const WEIGHT_OF_SILENCE = 2;

export function evidenceOf(counts: StatusCounts): Evidence {
  const of = (...statuses: DeviceStatus[]): number => statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
  const unreachable = of('unreachable');
  const failures = of('failed', 'timed_out') + unreachable;
  const healthy = of('completed');
  return {
    attempted: of('scheduled', 'updating', 'health_checking') + healthy + failures,
    healthy,
    failures,
    unreachable,
    settled: healthy + failures,
    soaking: of('health_checking'),
    superseded: of('superseded'),
    pending: of('pending'),
  };
}

/**
 * The evidence without failures that were judged already, where a person or the policy went on in spite of them: a rule that
 * has fired must not fire again for the same devices.
 */
export function withoutExcused(evidence: Evidence, excused: Excused): Evidence {
  const { failures, unreachable } = stillExcused(evidence, excused);
  return {
    ...evidence,
    attempted: evidence.attempted - failures,
    failures: evidence.failures - failures,
    unreachable: evidence.unreachable - unreachable,
    settled: evidence.settled - failures,
  };
}

/** Failures in spite of which a person or the policy went on; of them, those that had fallen silent. */
export type Excused = Pick<Evidence, 'failures' | 'unreachable'>;

/** A failure that is no more, because its device was told again, is excused no more: should it fail again, that is news. */
export function stillExcused(evidence: Evidence, excused: Excused): Excused {
  const plain = Math.min(excused.failures - excused.unreachable, evidence.failures - evidence.unreachable);
  const unreachable = Math.min(excused.unreachable, evidence.unreachable);
  return { failures: Math.max(plain, 0) + unreachable, unreachable };
}

/**
 * The verdict of a batch over its attempted devices, and over all devices attempted so far: a device that broke or went
 * back after its batch had passed counts there. Failing comes first, so that a bad release stops as soon as enough is
 * known and not at the deadline. Nothing passes on zero evidence.
 */
export function verdict(batch: Evidence, overall: Evidence, rules: VerdictRules): Verdict {
  if (batch.attempted === 0 && batch.pending === 0) {
    return {
      kind: 'skipped',
      rule: 'no_attempted_device',
      explanation: 'no device of this batch was told anything that counts, so it proves nothing',
    };
  }
  if (rules.maxFailures !== null && batch.failures > rules.maxFailures) {
    return {
      kind: 'fail',
      rule: 'max_failures',
      explanation: `${batch.failures} devices failed, more than the ${rules.maxFailures} allowed`,
    };
  }
  if (isSilenced(batch, rules)) {
    return {
      kind: 'fail',
      rule: 'silent_devices',
      explanation: `${batch.unreachable} of ${batch.attempted} devices of this batch went silent when they were told; in a batch under ${SMALL_BATCH} devices, ${SILENT_IN_A_SMALL_BATCH} are too many`,
    };
  }
  if (exceedsRate(batch, rules)) {
    return { kind: 'fail', rule: 'failure_rate', explanation: rateSentence(batch, rules, 'of this batch') };
  }
  const soFar = failureSoFar(overall, rules);
  if (soFar !== null) return soFar;
  if (batch.pending === 0 && batch.settled === batch.attempted) {
    return { kind: 'pass', rule: 'all_settled', explanation: `${batch.healthy} of ${batch.attempted} healthy` };
  }
  return { kind: 'wait', explanation: `${batch.attempted - batch.settled} of ${batch.attempted} not settled` };
}

/** The failed verdict over all devices attempted so far, or null: between batches nothing else is judged. */
export function failureSoFar(overall: Evidence, rules: VerdictRules): Extract<Verdict, { kind: 'fail' }> | null {
  if (!exceedsRate(overall, rules)) return null;
  return { kind: 'fail', rule: 'rollout_failure_rate', explanation: rateSentence(overall, rules, 'attempted so far') };
}

/** Devices that are told and those that are still to be: where windows or freezes split a batch, it is no smaller for it. */
function sizeOf({ attempted, pending }: Evidence): number {
  return attempted + pending;
}

/** Which rule fires next, with its numbers, for whoever looks at a waiting rollout. */
export function nextRule(batch: Evidence, rules: VerdictRules): string {
  const allowed = Math.floor(batch.attempted * rules.maxFailureRate + 1e-9);
  const cap = rules.maxFailures === null ? allowed : Math.min(allowed, rules.maxFailures);
  const size = sizeOf(batch);
  const sample = Math.min(rules.minSample, size);
  const needs = batch.settled < sample ? `, judged once ${sample} are settled (${batch.settled} now)` : '';
  return `fails when more than ${cap} of ${batch.attempted} fail (${batch.failures} so far)${needs}; passes when all ${size} are settled`;
}

/** A policy that lets all devices fail (`max_failure_rate` 1) lets them fall silent too. */
function isSilenced(batch: Evidence, { maxFailureRate }: VerdictRules): boolean {
  return maxFailureRate < 1 && sizeOf(batch) < SMALL_BATCH && batch.unreachable >= SILENT_IN_A_SMALL_BATCH;
}

function exceedsRate(evidence: Evidence, rules: VerdictRules): boolean {
  if (evidence.attempted === 0 || evidence.settled < Math.min(rules.minSample, sizeOf(evidence))) return false;
  return weighedShare(evidence) > rules.maxFailureRate;
}

function weighedShare({ attempted, failures, unreachable }: Evidence): number {
  return Math.min((failures + unreachable * (WEIGHT_OF_SILENCE - 1)) / attempted, 1);
}

function rateSentence(evidence: Evidence, rules: VerdictRules, where: string): string {
  const share = Math.round(1000 * weighedShare(evidence)) / 10;
  const silent = evidence.unreachable === 0 ? '' : `; ${evidence.unreachable} went silent, each of which counts twice`;
  return `${evidence.failures} of ${evidence.attempted} devices ${where} failed (${share} %${silent}), more than the ${rules.maxFailureRate * 100} % allowed`;
}
