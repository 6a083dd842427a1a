import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { createActivities, type Activities } from '../../src/activities';
import { defaultChunkSize } from '../../src/activities/deps';
import type { rollout } from '../../src/workflows/rollout';
import { statusQuery } from '../../src/workflows/messages';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, seedDevices, seedRollout } from '../support/fleet-fixture';
import { countStatements } from '../support/intake';
import { until } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';
import { eventTypes } from '../support/workflow-history';

const BATCHES = 3;
const EVENTS_A_BATCH = 60;

let database: TestDatabase;
let temporal: TestTemporal;
let bundle: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
  bundle = await bundleWorkflowCode({
    workflowsPath: require.resolve('../../src/workflows'),
    logger: new DefaultLogger('ERROR'),
  });
});
afterAll(async () => {
  await temporal.close();
  await database.drop();
});

interface Call {
  activity: string;
  statements: string[];
  ms: number;
}

/** The worker's activities, each call noting the statements that it sent. */
function countedActivities(calls: Call[]): Activities {
  const names = Object.keys(
    createActivities({ pool: database.pool, chunkSize: defaultChunkSize }),
  ) as (keyof Activities)[];
  const counted = names.map((activity) => {
    const run = async (input: never): Promise<unknown> => {
      let result: unknown;
      const began = performance.now();
      const statements = await countStatements(database.pool, async (pool) => {
        result = await createActivities({ pool, chunkSize: defaultChunkSize })[activity](input);
      });
      calls.push({ activity, statements, ms: performance.now() - began });
      return result;
    };
    return [activity, run] as const;
  });
  return Object.fromEntries(counted) as unknown as Activities;
}

interface Measured {
  calls: Call[];
  events: string[];
}

/** One rollout in three batches. Each batch is confirmed in one statement and one signal, whatever its size. */
async function measure(devices: number, repository: string): Promise<Measured> {
  const image = `docker.io/library/${repository}`;
  await seedDevices(database.pool, devices, () => appWith(`${repository}:1`));
  const rolloutId = await seedRollout(database.pool, {
    image,
    tag: '2',
    rules: { batchDelaySeconds: 0, soakSeconds: 0, healthTimeoutSeconds: 3600 },
  });
  const calls: Call[] = [];
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue: temporal.taskQueue,
    workflowBundle: bundle,
    activities: countedActivities(calls),
  });
  return worker.runUntil(async () => {
    const handle = await temporal.client.workflow.start<typeof rollout>('rollout', {
      taskQueue: temporal.taskQueue,
      workflowId: `rollout:scale:${rolloutId}`,
      args: [{ rolloutId, image, tag: '2' }],
    });
    for (let batch = 1; batch <= BATCHES; batch += 1) {
      await until(async () => {
        const view = await handle.query(statusQuery);
        return view.batch === batch && (view.waiting_for ?? '').startsWith('health of');
      }, 60_000);
      await database.pool.query(
        `update device_rollout_status set status = 'completed' where rollout_id = $1 and status = 'scheduled'`,
        [rolloutId],
      );
      await handle.signal('health', {});
    }
    expect(await handle.result()).toEqual({
      status: 'completed',
      reason: `${String(devices)} of ${String(devices)} healthy`,
    });
    return { calls, events: eventTypes(await handle.fetchHistory()) };
  });
}

const statementsOf = ({ calls }: Measured, activity: string) =>
  calls.filter((call) => call.activity === activity).map(({ statements }) => statements.length);

test('10,000 devices: planned in one statement, told in a few, with the very history that 100 devices have', async () => {
  const small = await measure(100, 'small');
  const large = await measure(10_000, 'large');
  for (const [devices, { calls, events }] of [
    [100, small],
    [10_000, large],
  ] as const) {
    const times = calls.map(
      ({ activity, statements, ms }) => `${activity} ${String(statements.length)} (${ms.toFixed(0)} ms)`,
    );
    process.stdout.write(
      `${String(devices)} devices: ${String(events.length)} events; statements: ${times.join(', ')}\n`,
    );
  }

  // Reading the rollout, begin, the lock of the image, the lock of the rollout, the plan, commit.
  const plan = large.calls.find(({ activity }) => activity === 'planRollout')?.statements ?? [];
  expect(plan).toHaveLength(7);
  expect(plan.filter((statement) => statement.includes('insert into device_rollout_status'))).toHaveLength(1);
  expect(statementsOf(small, 'planRollout')).toEqual([7]);

  // Two for freezes and windows, opening the batch, two for each 2,000 devices (written, and the signal that may be due again),
  // freezes again before each further group, counting: 1,000 devices, 4,000 (and the look that finds none left), 5,000.
  expect(statementsOf(large, 'applyBatch')).toEqual([6, 11, 12]);
  expect(statementsOf(small, 'applyBatch')).toEqual([6, 6, 6]);
  expect(statementsOf(large, 'readHealth')).toEqual(statementsOf(small, 'readHealth'));
  expect(statementsOf(large, 'finishRollout')).toEqual([5]);

  expect(large.events).toEqual(small.events);
  expect(large.events.length).toBeLessThanOrEqual(EVENTS_A_BATCH * BATCHES);
});
