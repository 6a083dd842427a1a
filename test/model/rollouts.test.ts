import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createModelRig, type ModelRig } from './rig';
import { runScenario } from './run-scenario';
import { Scenarios } from './scenario';

const RUNS = Number(process.env['FLEETWAVE_MODEL_RUNS'] ?? 300);
const SEED = Number(process.env['FLEETWAVE_MODEL_SEED'] ?? Date.now() % 2 ** 31);
/** Replaying a history costs as much as a sequence: a sample. */
const REPLAY_EVERY = 10;

let rig: ModelRig;
beforeAll(async () => {
  rig = await createModelRig();
}, 120_000);
afterAll(() => rig.close());

test('whatever is pushed, said, done and broken, in whatever order, the invariants hold and every rollout ends', async () => {
  const told: Record<string, number> = {};
  let runs = 0;
  let steps = 0;
  const startedAt = Date.now();
  await fc.assert(
    fc.asyncProperty(Scenarios, async (scenario) => {
      runs += 1;
      const before = Date.now();
      const one = await runScenario(rig, scenario, runs % REPLAY_EVERY === 0).catch((e: unknown) => {
        if (process.env['FLEETWAVE_MODEL_VERBOSE']) process.stderr.write(`#${String(runs)} ${String(Date.now() - before)} ms FAILED ${String(e).slice(0, 400)}\n`);
        throw e;
      });
      if (process.env['FLEETWAVE_MODEL_VERBOSE']) process.stderr.write(`#${String(runs)} ${String(Date.now() - before)} ms ${JSON.stringify(one)}\n`);
      steps += one.steps;
      for (const [status, count] of Object.entries(one.rollouts)) told[status] = (told[status] ?? 0) + count;
    }),
    {
      numRuns: RUNS,
      seed: SEED,
      ...(process.env['FLEETWAVE_MODEL_PATH'] === undefined ? {} : { path: process.env['FLEETWAVE_MODEL_PATH'] }),
      ...(process.env['FLEETWAVE_MODEL_SHRINK'] === 'no' ? { endOnFailure: true } : {}),
    },
  );
  process.stderr.write(
    `model: ${String(runs)} sequences, ${String(steps)} steps, seed ${String(SEED)}, ${JSON.stringify(told)} in ${String(Math.round((Date.now() - startedAt) / 1000))} s\n`,
  );
  expect(runs).toBeGreaterThanOrEqual(RUNS);
});
