import { Worker } from '@temporalio/worker';
import { publicCounts } from '../../src/domain/public-counts';
import { tally } from '../../src/db/tally';
import { failedTasks } from '../support/workflow-history';
import { brokenInvariants } from './invariants';
import { beginPlay, devicesSpeak, endPlay, jump, rest, type Play } from './play';
import { StandsStill, type ModelRig } from './rig';
import type { Scenario } from './scenario';
import { readSnapshot } from './snapshot';
import { takeStep, unfreeze } from './steps';
import { inWords, stepInWords } from './words';

const HOUR_MS = 3_600_000;
/** Longer than any wait that has an end of its own: a day for an approval, a week in a queue, a day for the offline. */
const END_STRETCHES_MS = [
  ...Array.from({ length: 6 }, () => HOUR_MS / 4),
  ...Array.from({ length: 6 }, () => 4 * HOUR_MS),
  ...Array.from({ length: 24 }, () => 24 * HOUR_MS),
];

/** An invariant does not hold; the message tells which, where, and the whole scenario. */
class Broken extends Error {}

export interface Told {
  steps: number;
  rollouts: Record<string, number>;
}

/** Plays a scenario to its end, and looks after each step. @throws what is broken, and after which step. */
export async function runScenario(rig: ModelRig, scenario: Scenario, replay: boolean): Promise<Told> {
  const play = await beginPlay(rig, scenario);
  let place = 'at the beginning';
  try {
    for (const [index, step] of scenario.steps.entries()) {
      place = `after step ${String(index + 1)} (${stepInWords(step)})`;
      await takeStep(play, step);
      if (!step.rush) await rest(play);
      await look(play, place);
      if (step.kind === 'look') await compareStatus(play, place);
    }
    place = 'in the end';
    await endAll(play);
    await inspectWorkflows(play, replay);
    const { rollouts } = await readSnapshot(rig.pool, play.known.image);
    const told: Record<string, number> = {};
    for (const { status } of rollouts) told[status] = (told[status] ?? 0) + 1;
    return { steps: scenario.steps.length, rollouts: told };
  } catch (error) {
    if (error instanceof Broken || error instanceof StandsStill) throw error;
    const message = error instanceof Error ? `${error.message} ${error.stack ?? ''}` : String(error);
    return fail(place, [...rig.failures.slice(-3), message], scenario);
  } finally {
    rig.failures.length = 0;
    if (!rig.spoiled) await endPlay(play);
    await play.station.stop();
  }
}

function fail(place: string, problems: readonly string[], scenario: Scenario): never {
  throw new Broken(
    [`${place}:`, ...problems.slice(0, 8).map((problem) => `- ${problem}`), '', inWords(scenario)].join('\n'),
  );
}

async function look({ rig, known, problems, scenario }: Play, place: string): Promise<void> {
  const failures = rig.failures.splice(0).map((failure) => `no activity fails by itself: ${failure}`);
  const broken = [...failures, ...problems, ...brokenInvariants(await readSnapshot(rig.pool, known.image), known)];
  if (broken.length > 0) fail(place, broken, scenario);
}

/** What the workflow says it counts is what is there, where it has just looked. */
const COUNTING = /^(health|the soak|the delay|.* that were offline)/;

/** Longer than activities that fail a few times wait in all. */
const RETRIES_MS = 10_000;

/** Devices that the plan left out have no batch: they are counted by the plan alone. */
const UNPLANNED = new Set(['already_on_target', 'skipped']);

async function compareStatus(play: Play, place: string): Promise<void> {
  const { rig, station, scenario } = play;
  // A look that failed is taken again seconds later: until then nothing has looked.
  rig.crash.calls = 0;
  await rest(play, RETRIES_MS);
  const { rollouts } = await readSnapshot(rig.pool, play.known.image);
  for (const { id, workflowId, dispatched, ended } of rollouts) {
    if (!dispatched || ended) continue;
    await station.gateway.signal(workflowId, 'health', {});
    await rest(play);
    const said = await station.gateway.status(workflowId);
    if (said?.rollout_id !== id || said.status !== 'in_progress' || !COUNTING.test(said.waiting_for ?? '')) continue;
    const { overall } = await tally(rig.pool, id, null);
    const counted = publicCounts(overall, { alreadyOnTarget: 0, leftOut: 0 });
    const differing = Object.entries(counted).filter(
      ([kind, devices]) => !UNPLANNED.has(kind) && said.counts[kind] !== devices,
    );
    if (differing.length > 0)
      fail(
        place,
        [
          `${id} says ${JSON.stringify(said.counts)}, there are ${JSON.stringify(counted)}; ${String(said.waiting_for)}`,
        ],
        scenario,
      );
  }
}

/** Operators resume what is paused and lift what is frozen; whatever still waits then has an end of its own. */
async function endAll(play: Play): Promise<void> {
  const { rig, station, scenario, devices } = play;
  if (scenario.end === 'well') for (const device of devices) device.mode = 'healthy';
  await unfreeze(play);
  await rest(play);
  for (const ms of END_STRETCHES_MS) {
    const { rollouts } = await readSnapshot(rig.pool, play.known.image);
    const open = rollouts.filter(({ ended }) => !ended);
    if (open.length === 0) break;
    for (const { workflowId, paused } of open)
      if (paused) await station.gateway.signal(workflowId, 'resume', { actor: 'operator' });
    await rest(play);
    await jump(play, ms, true);
    await look(play, 'in the end');
  }
  await devicesSpeak(play);
  await rest(play);
  const { rollouts } = await readSnapshot(rig.pool, play.known.image);
  const open = rollouts.filter(({ ended }) => !ended);
  const said = await Promise.all(open.map(({ workflowId }) => station.gateway.status(workflowId)));
  if (open.length > 0)
    fail(
      'in the end, after weeks',
      open.map(
        ({ id, status, tag }, index) =>
          `rollout ${id} of ${tag} is ${status} and waits for ${String(said[index]?.waiting_for)}`,
      ),
      scenario,
    );
  await look(play, 'in the end');
}

/** No workflow failed, none was stuck on its way; what each did can be done again from its history. */
async function inspectWorkflows(play: Play, replay: boolean): Promise<void> {
  const { rig, scenario } = play;
  const { rollouts } = await readSnapshot(rig.pool, play.known.image);
  for (const { id, workflowId, runId } of rollouts) {
    if (runId === null) continue;
    const handle = rig.env.client.workflow.getHandle(workflowId, runId);
    const { status } = await handle.describe();
    const history = await handle.fetchHistory();
    const failed = failedTasks(history);
    if (status.name !== 'COMPLETED' || failed.length > 0)
      fail(
        'in the end',
        [`the workflow of ${id} is ${status.name}, with failed tasks: ${failed.join(', ')}`],
        scenario,
      );
    if (replay) await Worker.runReplayHistory({ workflowBundle: rig.bundle }, history);
  }
}
