import { expect, test } from '@jest/globals';
import { faultName, faultNames, planRun, type PlanOptions } from '../chaos/plan';

const options: PlanOptions = { seed: 7, devices: 500, spanMs: 30_000, only: '', without: [], faults: 'some' };
const seeds = Array.from({ length: 60 }, (_, seed) => seed);

test('a seed decides everything, another one something else', () => {
  expect(planRun(options)).toEqual(planRun(options));
  expect(planRun({ ...options, seed: 8 })).not.toEqual(planRun(options));
});

test('within sixty seeds every fault there is has its turn, and none lies outside of its run', () => {
  const faults = seeds.flatMap((seed) => planRun({ ...options, seed }).faults);
  const all = faultNames.map(([kind, target]) => faultName({ kind, ...(target === undefined ? {} : { target }) }));
  expect(new Set(faults.map(faultName))).toEqual(new Set(all));
  expect(faults.filter(({ atMs, forMs }) => atMs < 0 || atMs > options.spanMs || forMs <= 0)).toEqual([]);
});

test('only the asked faults are made, and none that cannot be', () => {
  for (const seed of seeds) {
    const names = planRun({ ...options, seed, only: 'postgres' }).faults.map(faultName);
    expect(names.filter((name) => !name.includes('postgres'))).toEqual([]);
    expect(planRun({ ...options, seed, without: ['full disk'] }).faults.map(faultName)).not.toContain('full disk');
  }
});

test('one of each kind is one of each kind', () => {
  const kinds = planRun({ ...options, faults: 'one of each kind' }).faults.map(({ kind }) => kind);
  expect([...kinds].sort()).toEqual([...new Set(faultNames.map(([kind]) => kind))].sort());
});

test('the first push finds the fleet as it was made, and each push is one of its own', () => {
  for (const seed of seeds) {
    const { pushes } = planRun({ ...options, seed });
    expect(pushes[0]?.atMs).toBe(500);
    expect(new Set(pushes.map(({ event }) => event)).size).toBe(pushes.length);
  }
});
