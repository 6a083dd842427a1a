import { afterAll, expect, test } from '@jest/globals';
import { withPlace } from './place';
import { faultName, planRun } from './plan';
import { run } from './run';

/** `npm run chaos -- --seed N` runs longer ones (docs/chaos.md). */
const SEEDS = [3];

const stopping = new AbortController();
afterAll(() => {
  stopping.abort(new Error('the test is over'));
});

test.each(SEEDS)(
  'seed %s: with one fault of each kind, everything promised to a fleet and its registry holds',
  async (seed) => {
    const notes: string[] = [];
    const note = (line: string) => notes.push(line);
    await withPlace({ signal: stopping.signal, note, keep: false }, async (place) => {
      if (place.noDisk !== null)
        process.stdout.write(`without a full disk, which needs a file system of its own: ${place.noDisk}\n`);
      const plan = planRun({
        ...{ seed, devices: 300, spanMs: 20_000, only: '', faults: 'one of each kind' },
        without: place.noDisk === null ? [] : ['full disk'],
      });
      const { broken, ends } = await run(place, plan);
      expect({ broken, faults: plan.faults.map(faultName), notes }).toMatchObject({ broken: [] });
      expect(ends).toHaveLength(plan.pushes.length);
    });
  },
);
