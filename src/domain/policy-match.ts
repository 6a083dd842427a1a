import { compareSpecificity, moreSpecific, patternMatches } from './image-pattern';
import type { ImageReference } from './image-reference';

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
