import type { PoolClient } from 'pg';
import { readEnabledPolicies } from '../db/enabled-policies';
import { selectPolicy } from '../domain/policy-match';
import { toRules, toSelection } from '../domain/policy-settings';
import type { DeviceSelection, RolloutRules } from '../domain/rules';
import { tagAllowed } from '../domain/tag-rules';
import { linearRegex } from './linear-regex';
import type { Push } from './registries/push';

export type ChosenPolicy =
  | { kind: 'policy'; id: string; rules: RolloutRules; selection: DeviceSelection; requiresApprovedImage: boolean }
  | { kind: 'no_matching_policy' | 'not_eligible'; detail: string };

/** The policy that decides about a push, as the rules and the selection that its rollout will carry. */
export async function choosePolicy(client: Pick<PoolClient, 'query'>, { image, tag }: Push): Promise<ChosenPolicy> {
  const policies = (await readEnabledPolicies(client)).map((policy) => ({
    ...policy,
    enabled: true,
    rules: toRules(policy),
  }));
  const selected = selectPolicy(policies, { image, tag });
  if (selected === null) {
    return {
      kind: 'no_matching_policy',
      detail: `No enabled policy matches ${image}:${tag}. Make one with POST /api/v1/image-policies, then send this again.`,
    };
  }
  const { policy } = selected;
  const { allowed, why } = tagAllowed(policy.rules.tagRule, tag, linearRegex);
  if (!allowed)
    return {
      kind: 'not_eligible',
      detail: `The policy for "${policy.imagePattern}" does not let this tag through: ${why}.`,
    };
  const requiresApprovedImage = policy.settings.requires_approved_image ?? false;
  return { kind: 'policy', id: policy.id, rules: policy.rules, selection: toSelection(policy), requiresApprovedImage };
}
