import { compareSpecificity, moreSpecific, patternMatches } from './image-pattern';
import type { ImageReference } from './image-reference';
import { firstLane } from './ids';
import type { SelectedDevices } from './rules';
import { covers } from './selections';

/** What of a policy decides whether a push is its business. */
export interface MatchablePolicy {
  id: string;
  imagePattern: string;
  priority: number;
  enabled: boolean;
  /** ISO 8601 in UTC, so that text order is time order. */
  createdAt: string;
}

export interface SelectedPolicy<Policy extends MatchablePolicy> {
  policy: Policy;
  /** One sentence: why this policy and not another. */
  why: string;
  /** All enabled policies that match, the chosen one first. */
  candidates: Policy[];
}

/**
 * The policy for a push: of the enabled ones whose pattern matches, the most specific, then the higher priority, then the
 * older. The winner's tag rule is not asked here: a tag that it refuses is not eligible, and does not fall to a wider
 * policy, which would roll out just what the narrower one was written to keep back.
 */
export function selectPolicy<Policy extends MatchablePolicy>(
  policies: readonly Policy[],
  reference: Pick<ImageReference, 'image' | 'tag'>,
): SelectedPolicy<Policy> | null {
  const candidates = policies
    .filter((policy) => policy.enabled && patternMatches(policy.imagePattern, reference))
    .sort(compare);
  const [policy, next] = candidates;
  if (policy === undefined) return null;
  return {
    policy,
    why: next === undefined ? `"${policy.imagePattern}" is the only pattern that matches` : explain(policy, next),
    candidates,
  };
}

/** What else of a policy decides which devices it decides about, and beside what its rollout runs. */
export interface SelectivePolicy extends MatchablePolicy {
  selection: SelectedDevices;
  /** Of its rollout of the pushed tag that has not ended. */
  laneInUse: string | null;
}

/** One policy's part in a push. */
export interface DecidingPolicy<Policy extends MatchablePolicy> {
  policy: Policy;
  /** One sentence: why this policy, and for which devices. */
  why: string;
  lane: string;
  /** Selections of the policies before it: devices that it does not decide about. */
  except: SelectedDevices[];
}

/**
 * The policies for a push, in the order of `selectPolicy`: the first decides for every device that it selects, each further one
 * for devices that none before it selects, whatever became of those. One that is left no device by what one policy before it
 * selects is none of them; so a policy that selects every device is the last. The first has the first lane, unless another of
 * them still has a rollout there: a policy stays in its lane until that has ended, so that a push, after somebody has changed
 * the order of the policies, supersedes or queues behind its own policy's rollout and no other's.
 */
export function decidingPolicies<Policy extends SelectivePolicy>(
  policies: readonly Policy[],
  reference: Pick<ImageReference, 'image' | 'tag'>,
): { deciding: DecidingPolicy<Policy>[]; candidates: Policy[] } {
  const selected = selectPolicy(policies, reference);
  if (selected === null) return { deciding: [], candidates: [] };
  const deciding: DecidingPolicy<Policy>[] = [];
  for (const policy of selected.candidates) {
    const except = deciding.map((earlier) => earlier.policy.selection);
    if (except.some((earlier) => covers(earlier, policy.selection))) continue;
    const before = deciding.map((earlier) => `"${earlier.policy.imagePattern}"`).join(', ');
    deciding.push({
      policy,
      why:
        deciding.length === 0
          ? selected.why
          : `"${policy.imagePattern}" decides for the devices that it selects and the policies before it (${before}) do not`,
      lane: policy.laneInUse ?? policy.id,
      except,
    });
  }
  const [first] = deciding;
  if (first?.policy.laneInUse === null && !deciding.some(({ lane }) => lane === firstLane)) first.lane = firstLane;
  return { deciding, candidates: selected.candidates };
}

function compare(a: MatchablePolicy, b: MatchablePolicy): number {
  return (
    compareSpecificity(a.imagePattern, b.imagePattern) ||
    b.priority - a.priority ||
    compareText(a.createdAt, b.createdAt) ||
    compareText(a.id, b.id)
  );
}

function explain(winner: MatchablePolicy, next: MatchablePolicy): string {
  const over = `"${winner.imagePattern}" wins over "${next.imagePattern}"`;
  const specific = moreSpecific(winner.imagePattern, next.imagePattern);
  if (specific !== null) return `${over}: it ${specific.words}`;
  if (winner.priority !== next.priority) {
    return `${over}: both are as specific, and its priority ${String(winner.priority)} is above ${String(next.priority)}`;
  }
  return `${over}: both are as specific and of priority ${String(winner.priority)}, and it is the older policy`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
