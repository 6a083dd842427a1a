import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignBatches, cumulativeEnds, describeSteps, type PlannableDevice } from '../../src/domain/batch-plan';
import { defaultRules, type BatchStep } from '../../src/domain/rules';
import { batchSteps, plannableDevices } from '../support/batch-plan-arbitraries';

const plain = (count: number): PlannableDevice[] => Array.from({ length: count }, () => ({ tags: {}, fleetId: null }));
const percentages = fc.array(
  fc.integer({ min: 1, max: 10_000 }).map((parts) => ({ percent: parts / 100 })),
  { minLength: 1, maxLength: 8 },
);
const fleetSize = fc.integer({ min: 0, max: 5000 });

describe('the ends of batches by percent and count', () => {
  it.each([
    [0, []],
    [1, [1]],
    [2, [1, 2]],
    [3, [1, 2, 3]],
    [4, [1, 2, 4]],
    [10, [1, 5, 10]],
    [11, [2, 6, 11]],
    [200, [20, 100, 200]],
    [100_000, [10_000, 50_000, 100_000]],
  ])('are, for 10, 50, 100 %% of %i devices, %j', (total, ends) => {
    expect(cumulativeEnds(defaultRules.steps, total)).toEqual(ends);
  });

  it('let a count take so many more, and the last step the rest', () => {
    expect(cumulativeEnds([{ count: 1 }, { count: 5 }, { count: 10 }], 100)).toEqual([1, 6, 100]);
    expect(cumulativeEnds([{ count: 1 }, { count: 5 }, { count: 10 }], 4)).toEqual([1, 4]);
    expect(cumulativeEnds([{ percent: 10 }, { percent: 50 }], 10)).toEqual([1, 10]);
    expect(cumulativeEnds([{ percent: 50 }, { percent: 10 }, { percent: 100 }], 10)).toEqual([5, 10]);
    expect(cumulativeEnds([{ count: 3 }, { percent: 10 }, { percent: 50 }, { percent: 100 }], 20)).toEqual([3, 10, 20]);
  });

  it('are exact where binary fractions are not', () => {
    expect(cumulativeEnds([{ percent: 33.3 }, { percent: 100 }], 1000)[0]).toBe(333);
    expect(cumulativeEnds([{ percent: 0.07 }, { percent: 100 }], 10_000)[0]).toBe(7);
    expect(cumulativeEnds([{ percent: 0.0001 }, { percent: 100 }], 5)).toEqual([1, 5]);
  });

  it('grow strictly, reach all, and are within one device of the exact share', () => {
    fc.assert(
      fc.property(percentages, fleetSize, (steps, total) => {
        const ends = cumulativeEnds(steps, total);
        expect(ends.at(-1) ?? 0).toBe(total);
        expect(ends.every((end, index) => end > (ends[index - 1] ?? 0))).toBe(true);
        const highest = steps
          .slice(0, -1)
          .map((step, index) => Math.max(...steps.slice(0, index + 1).map((earlier) => earlier.percent)));
        for (const percent of highest) {
          const exact = (total * percent) / 100;
          if (total > 0) expect(Math.min(...ends.map((end) => Math.abs(end - exact)))).toBeLessThan(1);
        }
      }),
    );
  });
});

describe('the batches of devices', () => {
  it('follow the ends where no step selects', () => {
    expect(assignBatches(defaultRules.steps, plain(10))).toEqual([1, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
    expect(assignBatches(defaultRules.steps, plain(1))).toEqual([1]);
    expect(assignBatches([], plain(2))).toEqual([1, 1]);
    fc.assert(
      fc.property(percentages, fleetSize, (steps, total) => {
        const ends = cumulativeEnds(steps, total);
        expect(assignBatches(steps, plain(total))).toEqual(
          ends.flatMap((end, index) => new Array<number>(end - (ends[index - 1] ?? 0)).fill(index + 1)),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('take the devices a selector names, wherever they stand, and the rest after it', () => {
    const devices: PlannableDevice[] = [
      { tags: {}, fleetId: 'lab' },
      { tags: { ring: 'canary' }, fleetId: 'lab' },
      { tags: { ring: 'stable' }, fleetId: null },
      { tags: { ring: 'canary' }, fleetId: null },
    ];
    expect(assignBatches([{ tag: 'ring:canary' }, { fleetId: 'lab' }], devices)).toEqual([2, 1, 3, 1]);
    expect(assignBatches([{ tag: 'ring' }, { percent: 100 }], devices)).toEqual([2, 1, 1, 1]);
    expect(assignBatches([{ tag: 'ring:nobody' }, { fleetId: 'lab' }, { percent: 100 }], devices)).toEqual([
      1, 1, 2, 2,
    ]);
    expect(assignBatches([{ tag: 'ring:canary' }, { percent: 75 }, { percent: 100 }], devices)).toEqual([2, 1, 3, 1]);
    expect(assignBatches([{ tag: 'constructor' }, { tag: '__proto__:x' }, { percent: 100 }], devices)).toEqual([
      1, 1, 1, 1,
    ]);
  });

  it('put each device in one, leave none empty, and keep the order where nothing selects', () => {
    fc.assert(
      fc.property(batchSteps, plannableDevices, (steps, devices) => {
        const batches = assignBatches(steps, devices);
        expect(batches).toHaveLength(devices.length);
        const used = [...new Set(batches)].sort((a, b) => a - b);
        expect(used).toEqual(used.map((_, index) => index + 1));
        expect(used.length).toBeLessThanOrEqual(steps.length + 1);
        if (!steps.some((step) => 'tag' in step || 'fleetId' in step))
          expect([...batches].sort((a, b) => a - b)).toEqual(batches);
      }),
    );
  });

  it('never reach beyond the share of a percent step, selected devices included', () => {
    fc.assert(
      fc.property(plannableDevices, fc.integer({ min: 1, max: 99 }), (devices, percent) => {
        const steps: BatchStep[] = [{ tag: 'ring:canary' }, { percent }, { percent: 100 }];
        const batches = assignBatches(steps, devices);
        const canaries = devices.filter((device) => device.tags['ring'] === 'canary').length;
        const goal = Math.max(canaries, Math.ceil((devices.length * percent) / 100));
        const beforeTheRest =
          goal === devices.length ? devices.length : batches.filter((batch) => batch < Math.max(...batches)).length;
        expect(beforeTheRest).toBe(goal);
      }),
    );
  });
});

describe('steps in words', () => {
  it.each<[BatchStep[], string]>([
    [defaultRules.steps, '10 %, then 50 %, then the rest'],
    [[{ percent: 100 }], 'all devices at once'],
    [[], 'all devices at once'],
    [
      [{ count: 1 }, { count: 5, approval: true }, { count: 10 }],
      '1 device, then 5 more devices after approval, then the rest',
    ],
    [[{ tag: 'ring:canary' }, { fleetId: 'lab' }], 'devices tagged ring:canary, then fleet lab, then the rest'],
  ])('%j', (steps, words) => {
    expect(describeSteps(steps)).toBe(words);
  });
});
