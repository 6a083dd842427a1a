import type { BatchStep, Growth } from './rules';

/** A workflow's history grows with its batches, so their number has an end whatever the fleet's size. */
export const MOST_BATCHES = 100;
/** So many follow the growth as it is written; the careful beginning is not what gives way. */
const KEPT_BATCHES = 50;

/**
 * The count steps that growth comes to for `total` devices. Where they would be more than a hundred, the batches from the
 * 51st on are made as large as is needed for all devices to fit. The twin of `fleetwave.growing_steps` in the database.
 */
export function growingSteps(growth: Growth, total: number): BatchStep[] {
  const plain = cut(growth, total, false);
  return (plain.length <= MOST_BATCHES ? plain : cut(growth, total, true)).map((count) => ({ count }));
}

function cut({ start, factor, max }: Growth, total: number, fits: boolean): number[] {
  const counts: number[] = [];
  const hundredths = Math.round(factor * 100);
  let size = Math.min(start, max);
  for (let left = total; left > 0 && counts.length <= MOST_BATCHES;) {
    const share = fits && counts.length >= KEPT_BATCHES ? Math.ceil(left / (MOST_BATCHES - counts.length)) : 0;
    const count = Math.min(left, Math.max(size, share));
    counts.push(count);
    left -= count;
    size = Math.min(max, Math.ceil((size * hundredths) / 100));
  }
  return counts;
}
