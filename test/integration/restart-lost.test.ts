import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { createActivities } from '../../src/activities';
import { lookAfterSilent } from '../../src/api/lost-rollouts';
import { startRollout } from '../../src/api/start-rollout';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { claimPending } from '../../src/db/outbox';
import { acceptReport } from '../support/one-report';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';
import { recordingLogger, until } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';

let database: TestDatabase;
let temporal: TestTemporal;
let gateway: TemporalGateway;
let worker: Worker;
const { log } = recordingLogger();

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
  const config = loadConfig({ TEMPORAL_ADDRESS: temporal.address, FLEETWAVE_TASK_QUEUE: temporal.taskQueue });
  gateway = createTemporalGateway({ config, log });
  worker = await Worker.create({
    connection: temporal.nativeConnection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: require.resolve('../../src/workflows'),
      logger: new DefaultLogger('ERROR'),
    }),
    activities: createActivities({ pool: database.pool, chunkSize: 1000 }),
  });
});
afterAll(async () => {
  await gateway.close();
  await temporal.close();
  await database.drop();
});

test('a rollout whose workflow Temporal has lost goes on where it was: nobody is told twice, what was told is judged', async () => {
  const { pool } = database;
  const tag = `t${randomUUID().slice(0, 8)}`;
  const workflowId = `rollout:docker.io/library/redis:${tag}`;
  await seedDevices(pool, 10, () => appWith('redis:6'));
  // Batches that were judged before wait a quarter of this until they are looked at again.
  const rules = {
    steps: [{ percent: 50 }, { percent: 100 }],
    soakSeconds: 0,
    batchDelaySeconds: 0,
    healthTimeoutSeconds: 8,
  };
  const id = await seedRollout(pool, { tag, rules });
  const rows = () => deviceRows(pool, id);
  const told = async () => (await rows()).filter((row) => row.status === 'scheduled');
  const start = async () => {
    const [rollout] = await claimPending(pool, 1, 20_000);
    if (rollout === undefined) throw new Error('nothing was due');
    expect(await startRollout({ pool, temporal: gateway }, rollout)).toBe('started');
  };
  const confirm = async () => {
    for (const { device: deviceUuid } of await told()) {
      const services = [{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status: 'running' }];
      await acceptReport(pool, { deviceUuid, apps: { '1002': { services } }, version: 4, info: {} });
    }
    await gateway.signal(workflowId, 'health', {});
  };

  await worker.runUntil(async () => {
    await start();
    await until(async () => (await told()).length === 5);
    await confirm();
    await until(async () => (await told()).length === 5);

    await temporal.client.workflowService.deleteWorkflowExecution({
      namespace: temporal.namespace,
      workflowExecution: { workflowId },
    });
    await until(async () => (await gateway.latestRun(workflowId)) === undefined);
    await pool.query('update image_rollouts set dispatch_after = now() where id = $1', [id]);
    await lookAfterSilent({ pool, temporal: gateway, log }, 0);
    await start();
    await confirm();
    await until(async () => {
      const { rowCount } = await pool.query('select from image_rollouts where id = $1 and ended_at is not null', [id]);
      return rowCount === 1;
    });
  });

  const ended = await pool.query('select status, reason from image_rollouts where id = $1', [id]);
  expect(ended.rows).toEqual([{ status: 'completed', reason: '10 of 10 healthy' }]);
  expect((await rows()).map(({ status, version }) => [status, version])).toEqual(
    Array.from({ length: 10 }, () => ['completed', 4]),
  );
});
