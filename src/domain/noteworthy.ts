import type { RolloutStatus } from './rollout-states';
import { evidenceOf, verdict, type StatusCounts, type VerdictRules } from './verdict';

/**
 * The outcome of a batch that its workflow should hear of now, as a short key, or null while there is nothing to decide.
 * A workflow is signalled once for each key, so the number of signals does not grow with the number of devices.
 */
export function noteworthyOutcome(input: {
  status: RolloutStatus;
  counts: StatusCounts;
  rollingBack: number;
  rules: VerdictRules;
}): string | null {
  if (input.status === 'rolling_back') return input.rollingBack === 0 ? 'rolled back' : null;
  const evidence = evidenceOf(input.counts);
  const judged = verdict(evidence, evidence, input.rules);
  // Where the policy goes on in spite of it, that the rest has settled is news again.
  const settled = evidence.pending === 0 && evidence.settled === evidence.attempted;
  if (judged.kind === 'fail') return `fail: ${judged.rule}${settled ? ', settled' : ''}`;
  if (judged.kind === 'pass') return 'settled';
  const onTheirWay = evidence.attempted - evidence.settled - evidence.soaking;
  if (onTheirWay > 0 || evidence.attempted === 0) return null;
  // Those that were told have arrived, and the others wait for a window or a freeze: so does the rollout from now on.
  const others = evidence.pending > 0 ? ', others not told yet' : '';
  // All that is left to wait for is the soak: the workflow sets its timer to the moment when the last one is due.
  if (evidence.soaking > 0) return `soaking${others}`;
  return evidence.pending > 0 ? `settled${others}` : null;
}
