import type { Pool } from 'pg';
import { keepPlans, keptOfPolicy, planDifference, type KeptPlan, type PlanDifference } from '../db/plan-previews';
import { MOST_NAMED } from '../db/preview-plan';
import { hashesIn, hashOfAll, sizeDifference, type SizeDifference } from './plan-hash';
import { HttpProblem } from './problem';

/** Carries the plans that would be made now out of the transaction that it ends without a trace. */
export class PlanChanged extends Error {
  readonly now: readonly KeptPlan[];

  constructor(now: readonly KeptPlan[]) {
    super('the plan is no longer the one previewed');
    this.now = now;
  }
}

/** @throws PlanChanged when what was previewed is no longer what a push would do. A push that does nothing has no plan. */
export function requirePlans(previewed: string, now: readonly KeptPlan[]): void {
  const hash = hashOfAll(now.map((plan) => plan.plan_hash));
  if (hash !== null && hash !== previewed) throw new PlanChanged(now);
}

/** The same of one rollout's plan: it may stand among others, of the same push's other policies. @throws HttpProblem 409 */
export async function requirePlanAmong(pool: Pool, previewed: string, now: KeptPlan): Promise<void> {
  const hashes = hashesIn(previewed);
  if (hashes.includes(now.plan_hash)) return;
  const own = now.policy_id === null ? null : await keptOfPolicy(pool, hashes, now.policy_id);
  throw await planChangedProblem(pool, own ?? previewed, [now]);
}

/** Refuses with the difference. The plan there is now is kept like a preview, because its hash is given. */
export async function planChangedProblem(
  pool: Pool,
  previewed: string,
  plans: readonly KeptPlan[],
): Promise<HttpProblem> {
  const now = plans.map((plan) => plan.plan_hash).join('+');
  await keepPlans(pool, plans);
  const sizes = sizeDifference(previewed, now);
  const difference = await planDifference(pool, hashesIn(previewed), hashesIn(now), MOST_NAMED);
  return new HttpProblem(
    409,
    'plan-changed',
    `the plan is no longer the one previewed: ${difference === null ? inSizes(sizes) : inWords(sizes, difference)}; preview it again`,
    { members: { plan_hash: now, difference: { ...differenceMembers(sizes, difference), batches: sizes.batches } } },
  );
}

function differenceMembers({ devices }: SizeDifference, difference: PlanDifference | null): Record<string, unknown> {
  if (difference === null) return { devices };
  const { added, removed, moved, changed_from, rules_changed, previewed_release, release } = difference;
  return {
    devices: { ...devices, added, removed, moved, changed_from },
    rules_changed,
    ...(isSame(previewed_release, release) ? {} : { release: { previewed: previewed_release, now: release } }),
  };
}

/** Said where the devices of the preview are not known: it was pruned, or never made. */
function inSizes({ devices, batches, batchCounts }: SizeDifference): string {
  const what =
    batches.length === 0
      ? 'as many devices in each batch, but others of them, in other batches, from other images, or under other rules'
      : `${devices.now} devices in ${batchCounts.now} batches, not ${devices.previewed} in ${batchCounts.previewed}`;
  return `${what} (which devices is not known: no preview with this hash is kept, they are for 7 days)`;
}

function inWords(
  { devices, batches }: SizeDifference,
  {
    added,
    removed,
    moved,
    changed_from: changed,
    rules_changed: rules,
    previewed_release: before,
    release,
  }: PlanDifference,
): string {
  const parts = [
    ...(isSame(before, release) ? [] : [`it is for ${release.join(', ')}, not ${before.join(', ')}`]),
    ...(devices.previewed === devices.now ? [] : [`${devices.now} devices, not ${devices.previewed}`]),
    ...(added.count > 0 ? [`${added.count} added`] : []),
    ...(removed.count > 0 ? [`${removed.count} removed`] : []),
    ...(moved.count > 0 ? [`${moved.count} in another batch`] : []),
    ...(changed.count > 0 ? [`${changed.count} changed from another image`] : []),
    ...(rules ? ['other rules'] : []),
  ];
  if (parts.length > 0) return parts.join(', ');
  return batches.length > 0 ? 'the batches are others' : 'the devices are told other than previewed';
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.join(' ') === other.join(' ');
}
