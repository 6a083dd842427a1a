import { z } from 'zod';
import { HttpProblem } from './problem';

const ONE = '\\d{1,9}(-\\d{1,9})*\\.[0-9a-f]{64}';

/**
 * The sizes of the batches, then a digest of all that decides what happens to which device when. Where several policies decide
 * about a push, the hashes of their plans in order, with `+` between them.
 */
export const PlanHash = z
  .string()
  .max(20_000)
  .regex(new RegExp(`^${ONE}(\\+${ONE})*$`), 'is not a plan_hash of POST /api/v1/rollouts/preview');

/** The hash of all plans that a push would make; null where it would make none. */
export function hashOfAll(hashes: readonly string[]): string | null {
  return hashes.length === 0 ? null : hashes.join('+');
}

/** Refuses when what was previewed is no longer what would happen, and says by how much. */
export function requirePlan(previewed: string, now: string): void {
  if (previewed === now) return;
  const [before, after] = [sizesOf(previewed), sizesOf(now)];
  const [devicesBefore, devicesNow] = [sum(before.flat()), sum(after.flat())];
  const batches = differences(before, after);
  const what =
    batches.length === 0
      ? 'as many devices in each batch, but others of them, in other batches, from other images, or under other rules'
      : `${devicesNow} devices in ${after.flat().length} batches, not ${devicesBefore} in ${before.flat().length}`;
  throw new HttpProblem(409, 'plan-changed', `the plan is no longer the one previewed: ${what}; preview it again`, {
    members: { plan_hash: now, difference: { devices: { previewed: devicesBefore, now: devicesNow }, batches } },
  });
}

/** As `requirePlan`, for one rollout's plan: it may stand among others, of the same push's other policies. */
export function requirePlanAmong(previewed: string, now: string): void {
  if (!previewed.split('+').includes(now)) requirePlan(previewed, now);
}

interface Difference {
  /** Which of several plans. */
  plan?: number;
  number: number;
  previewed: number;
  now: number;
}

function differences(before: number[][], after: number[][]): Difference[] {
  const plans = Math.max(before.length, after.length);
  return Array.from({ length: plans }, (_, plan) => {
    const [was = [], is = []] = [before[plan], after[plan]];
    return Array.from({ length: Math.max(was.length, is.length) }, (__, index) => ({
      ...(plans === 1 ? {} : { plan: plan + 1 }),
      number: index + 1,
      previewed: was[index] ?? 0,
      now: is[index] ?? 0,
    })).filter((batch) => batch.previewed !== batch.now);
  }).flat();
}

/** For each plan the sizes of its batches. */
function sizesOf(hash: string): number[][] {
  return hash.split('+').map((one) => {
    const [sizes = ''] = one.split('.');
    return sizes === '0' ? [] : sizes.split('-').map(Number);
  });
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}
