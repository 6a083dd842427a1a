import { afterAll, expect, test } from '@jest/globals';
import { withPlace } from './place';
import { faultName, planRun } from './plan';
import { run } from './run';

/** Among them a worker and a PostgreSQL that are killed, and a release that is taken back. `npm run chaos` has others (docs/chaos.md). */
const SEEDS = [9, 14];

const stopping = new AbortController();
afterAll(() => {
  stopping.abort(new Error('the test is over'));
});

test('through faults of each kind, everything that is promised to a fleet and to its registry holds', async () => {
  const notes: string[] = [];
  const note = (line: string) => notes.push(line);
  await withPlace({ signal: stopping.signal, note, keep: false }, async (place) => {
    if (place.noDisk !== null)
      process.stdout.write(`without a full disk, which needs a file system of its own: ${place.noDisk}\n`);
    const without = place.noDisk === null ? [] : ['full disk'];
    for (const seed of SEEDS) {
      const plan = planRun({ seed, devices: 200, spanMs: 15_000, only: '', without, faults: 'one of each kind' });
      const { broken, ends } = await run(place, plan);
      expect({ broken, seed, faults: plan.faults.map(faultName), notes }).toMatchObject({ broken: [] });
      expect(ends).toHaveLength(plan.pushes.length);
    }
  });
});
