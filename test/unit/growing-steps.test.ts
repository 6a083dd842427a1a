import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { growingSteps, MOST_BATCHES } from '../../src/domain/growing-steps';
import type { Growth } from '../../src/domain/rules';
import { growths } from '../support/batch-plan-arbitraries';

const counts = (growth: Growth, total: number): number[] =>
  growingSteps(growth, total).map((step) => ('count' in step ? step.count : 0));
const doubling = { start: 1, factor: 2, max: 1000 };

describe('growing batches', () => {
  it.each<[Growth, number, number[]]>([
    [doubling, 0, []],
    [doubling, 1, [1]],
    [doubling, 10, [1, 2, 4, 3]],
    [doubling, 1023, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]],
    [{ start: 1, factor: 2, max: 4 }, 20, [1, 2, 4, 4, 4, 4, 1]],
    [{ start: 1, factor: 1.5, max: 100 }, 30, [1, 2, 3, 5, 8, 11]],
    [{ start: 5, factor: 1, max: 5 }, 12, [5, 5, 2]],
    [{ start: 10, factor: 10, max: 50 }, 100, [10, 50, 40]],
  ])('%j among %d devices: %j', (growth, total, expected) => {
    expect(counts(growth, total)).toEqual(expected);
  });

  it('beyond a hundred batches keeps the first fifty and makes the last ones as large as is needed', () => {
    const all = counts({ start: 1, factor: 1, max: 1 }, 10_000);
    expect(all).toHaveLength(MOST_BATCHES);
    expect(all.slice(0, 50)).toEqual(new Array(50).fill(1));
    expect(all.slice(50)).toEqual(new Array(50).fill(199));
    expect(counts(doubling, 100_000).slice(9, 13)).toEqual([512, 1000, 1000, 1000]);
  });

  it('of exactly a hundred batches are left as they are', () => {
    expect(counts({ start: 3, factor: 1, max: 3 }, 300)).toEqual(new Array(100).fill(3));
  });

  it('take every device once, are never empty, never shrink but at the end, and never are more than a hundred', () => {
    fc.assert(
      fc.property(growths, fc.integer({ min: 0, max: 5_000_000 }), (growth, total) => {
        const all = counts(growth, total);
        expect(all.reduce((sum, count) => sum + count, 0)).toBe(total);
        expect(all.length).toBeLessThanOrEqual(MOST_BATCHES);
        expect(all.every((count) => count > 0)).toBe(true);
        expect(all.slice(0, 50).every((count) => count <= growth.max)).toBe(true);
      }),
    );
  });
});
