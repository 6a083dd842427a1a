import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mixedBehaviour } from '../agent/simulator/behaviour';
import { startFleet } from '../agent/simulator/fleet';
import { createApiClient } from '../cli/api-client';
import type { RolloutState } from '../cli/rollout-view';
import type { Terminal } from '../cli/terminal';
import { watchRollout } from '../cli/watch-rollout';
import { createPool } from '../db/pool';
import { withinTime } from '../time-limit';
import { readReports, readTargets, readWritten, type PushOutcome } from './demo-database';
import { AFFECTED_DEVICES } from './demo-fleet';
import { holds, proveRelease, proveRollback, type Check } from './demo-proof';
import { startReleaseSource } from './demo-push';
import { createDevices, createPolicy, demoConfig, demoEnvironment } from './demo-setup';
import { createStory } from './demo-story';
import { removePlaceOf } from './postgres-place';
import { terminalProgress } from './progress';
import { startStack } from './stack';
import { waitFor } from './wait-for';

const GOOD_TAG = '7.5-alpine';
const BAD_TAG = '7.6-alpine';
/** Half a second in which nothing moves is what a person begins to wonder about. */
const WATCH_INTERVAL_MS = 400;
const ROLLOUT_LIMIT_MS = 120_000;
/** Three of four devices cannot run the bad release, in one way or another. */
const BAD_SHARES = { failing: 0.6, flapping: 0.15, slow: 0.05 };

export interface DemoOptions {
  terminal: Terminal;
  /** Aborted, the demo stops everything it started and rejects. */
  signal: AbortSignal;
}

/**
 * Runs the whole demo. Rejects with the reason when anything is not as it says. Either way nothing is left running, and
 * nothing on disk but, after a failure, the logs.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-demo-'));
  const cleanups: (() => Promise<void>)[] = [];
  let keepLogs = false;
  try {
    await play(options, directory, (cleanup) => cleanups.push(cleanup));
  } catch (error) {
    keepLogs = !options.signal.aborted;
    if (keepLogs) options.terminal.say(`\nIt did not go as it should. The logs are kept in ${directory}\n`);
    throw error;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
    clear(directory, keepLogs);
  }
}

function clear(directory: string, keepLogs: boolean): void {
  removePlaceOf(directory);
  const inside = readdirSync(directory).filter((name) => !name.endsWith('.log'));
  for (const path of keepLogs ? inside.map((name) => join(directory, name)) : [directory])
    rmSync(path, { recursive: true, force: true });
}

async function play(
  { terminal, signal }: DemoOptions,
  directory: string,
  onEnd: (cleanup: () => Promise<void>) => void,
): Promise<void> {
  const story = createStory(terminal);
  const startedAt = performance.now();
  story.chapter('Real servers');
  story.tell(
    'PostgreSQL, Temporal with its UI, the API and a worker start on free ports and in a temporary directory.',
  );
  const progress = terminalProgress((text) => {
    terminal.write(`   ${text}`);
  });
  const stack = await startStack({ config: demoConfig(directory), progress, signal, env: demoEnvironment });
  onEnd(() => stack.stop());
  const readyAt = performance.now();
  story.links([
    ['API and its docs', `${stack.apiUrl}/docs`],
    ['Temporal UI', stack.temporalUiUrl],
  ]);

  const pool = createPool({ url: stack.databaseUrl, size: 2, applicationName: 'fleetwave-demo' });
  onEnd(() => pool.end());
  const api = createApiClient({ url: stack.apiUrl, token: stack.adminToken });
  const source = await startReleaseSource({ apiUrl: stack.apiUrl, pool, directory, signal });
  onEnd(() => source.stop());
  const { image } = source;

  story.chapter(`A fleet of ${AFFECTED_DEVICES} devices`);
  story.tell(
    'Simulated devices, but over the real protocol: each polls its target state, "pulls" what it is told to run and reports what runs.',
  );
  story.tell(
    `They run ${image} on different tags (6.2, 7.0, 7.2, some pinned to a digest), named in imageName, in config.image or in both. Four more run images whose names only look like it.`,
  );
  await createPolicy(api, image);
  const { devices, lookAlikes } = await createDevices(api, image);
  const behaviourOf = mixedBehaviour({
    seed: 'demo',
    shares: BAD_SHARES,
    appliesTo: (reference) => reference.includes(`:${BAD_TAG}`),
  });
  const fleet = startFleet({
    apiUrl: stack.apiUrl,
    devices,
    seed: 'demo',
    behaviourOf,
    pollIntervalMs: 1000,
    reportIntervalMs: 3000,
  });
  onEnd(() => fleet.stop());
  await waitFor(
    'a report of every device',
    async () => ((await readReports(pool)).size === devices.length ? true : undefined),
    { limitMs: 60_000, signal },
  );
  story.tell(`All ${devices.length} have reported.`);

  async function follow({ outcome, rolloutId }: PushOutcome, expected: string): Promise<RolloutState> {
    if (outcome !== 'started' || rolloutId === null)
      throw new Error(`The push should have started a rollout, but its outcome is "${outcome}".`);
    terminal.write('\n');
    const state = await withinTime(ROLLOUT_LIMIT_MS, signal, (limited) =>
      watchRollout(api, rolloutId, terminal, { intervalMs: WATCH_INTERVAL_MS, signal: limited }),
    );
    if (state.rollout.status !== expected)
      throw new Error(
        `The rollout should have ended ${expected}, but is ${state.rollout.status}${state.rollout.error ? `: ${state.rollout.error}` : ''}.`,
      );
    terminal.write('\n');
    return state;
  }

  story.chapter(`A good release: ${image}:${GOOD_TAG}`);
  story.tell(source.explanation);
  story.tell(
    'The policy says: first 10 % of the devices, then 50 %, then all. Each batch must prove healthy before the next one is told: told is not enough, the new image has to run and stay up.',
  );
  const beforeGood = await readTargets(pool);
  const good = await follow(await source.push(GOOD_TAG), 'completed');
  const afterGood = await readTargets(pool);
  story.tell(`Every device runs ${GOOD_TAG}, after ${good.rollout.batches.length} batches.`);

  story.chapter(`A bad release: ${image}:${BAD_TAG}`);
  story.tell(
    'Its container exits on most devices, and crashes now and then on others. More than 20 % of a batch may not fail, so Fleetwave stops in the first batch, as soon as enough is known, and puts each of its devices back on its own previous image.',
  );
  const bad = await follow(await source.push(BAD_TAG), 'rolled_back');
  story.tell('The other devices never heard of it. The release is now on hold; somebody pushes it again:');
  const repeated = await source.push(BAD_TAG);
  story.tell(`The webhook's outcome is "${repeated.outcome}": nothing is started until an operator lifts the hold.`);

  story.chapter('What the database says');
  const firstBatch = bad.rollout.batches[0]?.planned ?? 0;
  const checks: Check[] = [
    ...proveRelease({ image, tag: GOOD_TAG, before: beforeGood, after: afterGood, untouched: lookAlikes }),
    {
      claim: 'batches of the good release',
      expected: 3,
      found: good.rollout.batches.filter(({ status }) => status === 'passed').length,
    },
    ...proveRollback({
      before: afterGood,
      after: await readTargets(pool),
      reports: await readReports(pool),
      written: await readWritten(pool, bad.rollout.rollout_id),
      firstBatch,
    }),
    {
      claim: 'repeated pushes of the bad release that were held',
      expected: 1,
      found: repeated.outcome === 'held' ? 1 : 0,
    },
  ];
  story.proof(checks);
  const broken = checks.filter((check) => !holds(check));
  if (broken.length > 0)
    throw new Error(
      `${broken.length} of ${checks.length} claims do not hold: ${broken.map(({ claim }) => claim).join('; ')}.`,
    );
  const seconds = (from: number, to: number): string => `${Math.round((to - from) / 1000)} s`;
  const traffic = fleet.summary();
  story.tell(
    `All ${checks.length} claims hold. Servers up in ${seconds(startedAt, readyAt)}, the rest took ${seconds(readyAt, performance.now())}: ${traffic.polls} polls (${traffic.notModified} answered "not modified"), ${traffic.reports} reports, ${traffic.errors} errors.`,
  );
  story.tell('Everything is being stopped now. To keep it running and to pause, resume and roll back yourself, run');
  story.tell('  npm start');
}
