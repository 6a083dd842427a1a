import { z } from 'zod';

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

/** The plans that such a hash is of. */
export function hashesIn(hash: string): string[] {
  return hash.split('+');
}

export interface SizeDifference {
  devices: { previewed: number; now: number };
  /** How many there are of each side's batches. */
  batchCounts: { previewed: number; now: number };
  batches: BatchDifference[];
}

interface BatchDifference {
  /** Which of several plans. */
  plan?: number;
  number: number;
  previewed: number;
  now: number;
}

/** What can be told from the hashes alone. */
export function sizeDifference(previewed: string, now: string): SizeDifference {
  const [before, after] = [sizesOf(previewed), sizesOf(now)];
  return {
    devices: { previewed: sum(before.flat()), now: sum(after.flat()) },
    batchCounts: { previewed: before.flat().length, now: after.flat().length },
    batches: differences(before, after),
  };
}

function differences(before: number[][], after: number[][]): BatchDifference[] {
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
  return hashesIn(hash).map((one) => {
    const [sizes = ''] = one.split('.');
    return sizes === '0' ? [] : sizes.split('-').map(Number);
  });
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}
