import { z } from 'zod';
import { HttpProblem } from './problem';

/** The sizes of the batches, then a digest of all that decides what happens to which device when. */
export const PlanHash = z
  .string()
  .max(2000)
  .regex(/^\d{1,9}(-\d{1,9})*\.[0-9a-f]{64}$/, 'is not a plan_hash of POST /api/v1/rollouts/preview');

/** Refuses when what was previewed is no longer what would happen, and says by how much. */
export function requirePlan(previewed: string, now: string): void {
  if (previewed === now) return;
  const [before, after] = [sizesOf(previewed), sizesOf(now)];
  const [devicesBefore, devicesNow] = [sum(before), sum(after)];
  const batches = Array.from({ length: Math.max(before.length, after.length) }, (_, index) => ({
    number: index + 1,
    previewed: before[index] ?? 0,
    now: after[index] ?? 0,
  })).filter((batch) => batch.previewed !== batch.now);
  const what =
    batches.length === 0
      ? 'as many devices in each batch, but others of them, in other batches, from other images, or under other rules'
      : `${devicesNow} devices in ${after.length} batches, not ${devicesBefore} in ${before.length}`;
  throw new HttpProblem(409, 'plan-changed', `the plan is no longer the one previewed: ${what}; preview it again`, {
    members: { plan_hash: now, difference: { devices: { previewed: devicesBefore, now: devicesNow }, batches } },
  });
}

function sizesOf(hash: string): number[] {
  const [sizes = ''] = hash.split('.');
  return sizes === '0' ? [] : sizes.split('-').map(Number);
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}
