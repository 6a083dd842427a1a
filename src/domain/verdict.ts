import type { DeviceStatus } from './rollout-states';
import type { RolloutRules } from './rules';

/** Devices by state; a state that no device is in may be absent. */
export type StatusCounts = Partial<Record<DeviceStatus, number>>;

/** What a verdict is made from. Superseded devices are nobody's evidence and are in none of the other numbers. */
export interface Evidence {
  attempted: number;
  healthy: number;
  failures: number;
  /** Healthy, failed, timed out or unreachable. */
  settled: number;
  soaking: number;
  superseded: number;
  /** Not yet told. */
  pending: number;
}

export type VerdictRule =
  'failure_rate' | 'max_failures' | 'rollout_failure_rate' | 'all_settled' | 'no_attempted_device';
export type Verdict =
  | { kind: 'pass'; rule: VerdictRule; explanation: string }
  | { kind: 'fail'; rule: VerdictRule; explanation: string }
  | { kind: 'skipped'; rule: VerdictRule; explanation: string }
  | { kind: 'wait'; explanation: string };

export type VerdictRules = Pick<RolloutRules, 'maxFailureRate' | 'maxFailures' | 'minSample'>;

export function evidenceOf(counts: StatusCounts): Evidence {
  const of = (...statuses: DeviceStatus[]): number => statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
  const failures = of('failed', 'timed_out', 'unreachable');
  const healthy = of('completed');
  return {
    attempted:
      of('scheduled', 'updating', 'health_checking', 'rolling_back', 'rolled_back', 'rollback_failed') +
      healthy +
      failures,
    healthy,
    failures,
    settled: healthy + failures,
    soaking: of('health_checking'),
    superseded: of('superseded'),
    pending: of('pending'),
  };
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
      explanation: 'no device of this batch was told anything, so it proves nothing',
    };
  }
  if (rules.maxFailures !== null && batch.failures > rules.maxFailures) {
    return {
      kind: 'fail',
      rule: 'max_failures',
      explanation: `${batch.failures} devices failed, more than the ${rules.maxFailures} allowed`,
    };
  }
  if (exceedsRate(batch, rules)) {
    return { kind: 'fail', rule: 'failure_rate', explanation: rateSentence(batch, rules, 'of this batch') };
  }
  if (exceedsRate(overall, rules)) {
    return {
      kind: 'fail',
      rule: 'rollout_failure_rate',
      explanation: rateSentence(overall, rules, 'attempted so far'),
    };
  }
  if (batch.pending === 0 && batch.settled === batch.attempted) {
    return { kind: 'pass', rule: 'all_settled', explanation: `${batch.healthy} of ${batch.attempted} healthy` };
  }
  return { kind: 'wait', explanation: `${batch.attempted - batch.settled} of ${batch.attempted} not settled` };
}

/** Which rule fires next, with its numbers, for whoever looks at a waiting rollout. */
export function nextRule(batch: Evidence, rules: VerdictRules): string {
  const allowed = Math.floor(batch.attempted * rules.maxFailureRate + 1e-9);
  const cap = rules.maxFailures === null ? allowed : Math.min(allowed, rules.maxFailures);
  const sample = Math.min(rules.minSample, batch.attempted);
  const needs = batch.settled < sample ? `, judged once ${sample} are settled (${batch.settled} now)` : '';
  return `fails when more than ${cap} of ${batch.attempted} fail (${batch.failures} so far)${needs}; passes when all ${batch.attempted} are settled`;
}

function exceedsRate(evidence: Evidence, rules: VerdictRules): boolean {
  if (evidence.attempted === 0 || evidence.settled < Math.min(rules.minSample, evidence.attempted)) return false;
  return evidence.failures / evidence.attempted > rules.maxFailureRate;
}

function rateSentence(evidence: Evidence, rules: VerdictRules, where: string): string {
  const share = Math.round((1000 * evidence.failures) / evidence.attempted) / 10;
  return `${evidence.failures} of ${evidence.attempted} devices ${where} failed (${share} %), more than the ${rules.maxFailureRate * 100} % allowed`;
}
