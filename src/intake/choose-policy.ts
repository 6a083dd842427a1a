import type { PoolClient } from 'pg';
import { readEnabledPolicies } from '../db/enabled-policies';
import { decidingPolicies } from '../domain/policy-match';
import { toRules, toSelection } from '../domain/policy-settings';
import type { DeviceSelection, RolloutRules } from '../domain/rules';
import { tagAllowed } from '../domain/tag-rules';
import { linearRegex } from './linear-regex';
import type { Push } from './push';

/** A policy that decides about a push, as the rules and the selection that its rollout will carry. */
export interface ChosenPolicy {
  id: string;
  imagePattern: string;
  why: string;
  lane: string;
  rules: RolloutRules;
  selection: DeviceSelection;
  requiresApprovedImage: boolean;
}

export interface ChosenPolicies {
  /** In the order in which they decide; each for devices that none before it selects. */
  policies: ChosenPolicy[];
  /** All enabled policies that match. */
  candidates: { id: string; pattern: string; priority: number }[];
}

export async function choosePolicies(
  client: Pick<PoolClient, 'query'>,
  { image, tag }: Pick<Push, 'image' | 'tag'>,
): Promise<ChosenPolicies> {
  const enabled = (await readEnabledPolicies(client, image, tag)).map((policy) => ({
    ...policy,
    enabled: true,
    selection: toSelection(policy),
  }));
  const { deciding, candidates } = decidingPolicies(enabled, { image, tag });
  return {
    policies: deciding.map(({ policy, why, lane, except }) => ({
      ...{ id: policy.id, imagePattern: policy.imagePattern, why, lane },
      rules: toRules(policy),
      selection: { ...policy.selection, ...(except.length === 0 ? {} : { except }) },
      requiresApprovedImage: policy.settings.requires_approved_image ?? false,
    })),
    candidates: candidates.map(({ id, imagePattern, priority }) => ({ id, pattern: imagePattern, priority })),
  };
}

/** Why the policy's tag rule keeps the push back; null where it lets it through. */
export function refusedByTagRule({ imagePattern, rules }: ChosenPolicy, { tag }: Pick<Push, 'tag'>): string | null {
  const { allowed, why } = tagAllowed(rules.tagRule, tag, linearRegex);
  return allowed ? null : `The policy for "${imagePattern}" does not let this tag through: ${why}.`;
}
