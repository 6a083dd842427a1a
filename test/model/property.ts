import fc from 'fast-check';
import { createModelRig, StandsStill, type ModelRig } from './rig';
import { runScenario, type Told } from './run-scenario';
import type { Scenario } from './scenario';
import { inWords } from './words';

/** Of all files of this project together; each plays half of them. CI plays 300 (.ci/run). */
const RUNS = Number(process.env['FLEETWAVE_MODEL_RUNS'] ?? 44);
const FILES = 2;
const SEED = Number(process.env['FLEETWAVE_MODEL_SEED'] ?? 182_809_062);
/** Where a failure was printed with its path, it alone is played again. */
const PATH = process.env['FLEETWAVE_MODEL_PATH'];
/** Replaying a history costs as much as a sequence: a sample of them is. */
const REPLAY_EVERY = 10;
/** Of a sequence: where the server stands still each time, it is not the server. */
const TRIES = 3;
/** A failure is made smaller for so long, below the time that the test has. */
const LONGEST_MS = 45 * 60_000;

export interface Sequences {
  play(): Promise<void>;
  close(): Promise<void>;
}

/** Plays random scenarios, each on the ruins of none: what a seed tells does not depend on what ran before. */
export async function createSequences(scenarios: fc.Arbitrary<Scenario>): Promise<Sequences> {
  let rig: ModelRig = await createModelRig();
  const endings: Record<string, number> = {};
  let runs = 0;
  let failed = false;
  let steps = 0;
  let stoodStill = 0;

  /** Where the server stands still it is played again, on a new one. */
  async function play(scenario: Scenario, triesLeft = TRIES): Promise<Told> {
    if (rig.spoiled) {
      await rig.close().catch(() => undefined);
      rig = await createModelRig();
    }
    try {
      return await runScenario(rig, scenario, runs % REPLAY_EVERY === 0);
    } catch (error) {
      if (!(error instanceof StandsStill) || triesLeft === 1) throw error;
      stoodStill += 1;
      process.stderr.write(
        `model: seed ${String(SEED)}, sequence ${String(runs)} is played again: ${error.message}\n${inWords(scenario)}\n`,
      );
      return play(scenario, triesLeft - 1);
    }
  }

  async function playOne(scenario: Scenario): Promise<void> {
    runs += 1;
    const told = await play(scenario).catch((error: unknown) => {
      // At once, not only after it was made smaller: that takes minutes.
      if (!failed) process.stderr.write(`model: seed ${String(SEED)}, sequence ${String(runs)}: ${String(error)}\n`);
      failed = true;
      throw error;
    });
    steps += told.steps;
    for (const [status, count] of Object.entries(told.rollouts)) endings[status] = (endings[status] ?? 0) + count;
  }

  return {
    async play() {
      const startedAt = Date.now();
      const wanted = PATH === undefined ? Math.ceil(RUNS / FILES) : 1;
      await fc.assert(fc.asyncProperty(scenarios, playOne), {
        numRuns: wanted,
        seed: SEED,
        interruptAfterTimeLimit: LONGEST_MS,
        ...(PATH === undefined ? {} : { path: PATH }),
      });
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      process.stderr.write(
        `model: ${String(runs)} sequences, ${String(steps)} steps, rollouts ${JSON.stringify(endings)}, ${String(stoodStill)} played again because the server stood still, seed ${String(SEED)}, ${String(seconds)} s\n`,
      );
      if (runs < wanted) throw new Error(`only ${String(runs)} of ${String(wanted)} sequences in the time there was`);
    },
    close: () => rig.close(),
  };
}
