import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith, deviceRows, seedDevices } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { holdRows, waitingSessions } from '../support/row-lock';
import { startTestStack, type TestStack } from '../support/stack-fixture';
import { activityAttempts } from '../support/workflow-history';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

/** Three chunks of at most 2,000 devices; the row that is held lies in the second. */
const DEVICES = 5000;
const SECOND_CHUNK = 2500;
/** Longer than any test: what is settled here is settled by reports and signals. */
const atOnce = { update_strategy: 'auto', health: { timeout_seconds: 900, soak_seconds: 0 } };

async function startRollout(repository: string, tag: string): Promise<string> {
  const { status, body } = await stack.push(repository, tag);
  expect([status, body['outcome']]).toEqual([202, 'started']);
  return String(body['rollout_id']);
}

async function planned(rolloutId: string): Promise<void> {
  await until(
    async () =>
      (await stack.pool.query('select from image_rollouts where id = $1 and planned_at is not null', [rolloutId]))
        .rowCount === 1,
  );
}

async function counts(rolloutId: string): Promise<Record<string, number>> {
  const { rows } = await stack.pool.query<{ status: string; devices: number }>(
    'select status, count(*)::int as devices from device_rollout_status where rollout_id = $1 group by status',
    [rolloutId],
  );
  return Object.fromEntries(rows.map(({ status, devices }) => [status, devices]));
}

const waiting = () => waitingSessions(stack.pool, 'fleetwave-worker');

const nthTarget = (repository: string) => `
  select from device_target_state where device_uuid =
    (select device_uuid from device_target_state where fleetwave.app_images(apps) @> array['docker.io/library/${repository}'] order by device_uuid offset $1 limit 1)
  for update`;

/** Every device healthy at once, without a report each: the proof is about the writes before it. */
async function reportAllHealthy(rolloutId: string, workflowId: string): Promise<void> {
  await stack.pool.query(
    `update device_rollout_status set status = 'completed' where rollout_id = $1 and status = 'scheduled'`,
    [rolloutId],
  );
  await (await stack.temporalClient()).workflow.getHandle(workflowId).signal('health', {});
}

async function eventsOf(rolloutId: string, type: string): Promise<{ events: number; devices: number }> {
  const { rows } = await stack.pool.query<{ events: number; devices: number }>(
    'select count(*)::int as events, count(distinct device_uuid)::int as devices from rollout_events where rollout_id = $1 and type = $2',
    [rolloutId, type],
  );
  return rows[0] ?? { events: 0, devices: 0 };
}

async function expectEachWrittenOnce(rolloutId: string, devices: number): Promise<void> {
  const rows = await deviceRows(stack.pool, rolloutId);
  expect(rows).toHaveLength(devices);
  expect(rows.filter(({ version }) => version !== 4)).toEqual([]);
  expect(await eventsOf(rolloutId, 'device.update_scheduled')).toEqual({ events: devices, devices });
}

test('a worker stopped with SIGTERM in the middle of a batch runs nothing again', async () => {
  await stack.policy({ ...atOnce, image_pattern: 'memcached:*' });
  await seedDevices(stack.pool, DEVICES, () => appWith('memcached:1.6'));
  const held = await holdRows(stack.databaseUrl, nthTarget('memcached'), [SECOND_CHUNK]);
  const rolloutId = await startRollout('memcached', '1.7');
  await until(async () => (await waiting()).length === 1);
  expect(await counts(rolloutId)).toEqual({ scheduled: 2000, pending: 3000 });

  const before = stack.worker.pid;
  stack.worker.kill('SIGTERM');
  await until(() => Promise.resolve(stack.log('worker').includes('STOPPING')));
  await held.release();
  await until(() => Promise.resolve(stack.worker.pid !== before), 60_000);
  await until(async () => (await counts(rolloutId))['scheduled'] === DEVICES, 60_000);
  const workflowId = 'rollout:docker.io/library/memcached:1.7';
  await reportAllHealthy(rolloutId, workflowId);
  await stack.reaches(rolloutId, ['completed']);

  await expectEachWrittenOnce(rolloutId, DEVICES);
  const attempts = activityAttempts(await (await stack.temporalClient()).workflow.getHandle(workflowId).fetchHistory());
  expect(attempts.map(({ attempt }) => attempt)).toEqual(attempts.map(() => 1));
  expect(attempts.map(({ activity }) => activity)).toContain('applyBatch');
});

test('a worker killed with -9 in the middle of applying one batch and of settling another: both go on, no device is written or settled twice', async () => {
  await stack.policy({ ...atOnce, image_pattern: 'redis:*' });
  await stack.policy({ ...atOnce, image_pattern: 'nginx:*', health: { timeout_seconds: 900, soak_seconds: 20 } });
  await seedDevices(stack.pool, DEVICES, () => appWith('redis:7-alpine'));
  const settling = await startSettling();

  const target = await holdRows(stack.databaseUrl, nthTarget('redis'), [SECOND_CHUNK]);
  const applying = await startRollout('redis', '7.5-alpine');
  await planned(applying);
  await until(async () => (await waiting()).length === 2);
  expect(await counts(applying)).toEqual({ scheduled: 2000, pending: 3000 });

  const ofTheDead = await waiting();
  stack.worker.kill('SIGKILL');
  // The dead worker's two statements wait in the server still. One may go on now and commits; the other is held until the next try waits for the same row.
  await settling.release();
  await until(async () => (await waiting()).some((session) => !ofTheDead.includes(session)), 90_000);
  expect(await counts(applying)).toEqual({ scheduled: 2000, pending: 3000 });
  await target.release();

  await until(async () => (await counts(applying))['scheduled'] === DEVICES, 60_000);
  await reportAllHealthy(applying, 'rollout:docker.io/library/redis:7.5-alpine');
  await stack.reaches(applying, ['completed']);
  await expectEachWrittenOnce(applying, DEVICES);
  await stack.reaches(settling.rolloutId, ['completed'], 120_000);
  await expectEachWrittenOnce(settling.rolloutId, 20);
  expect(await eventsOf(settling.rolloutId, 'device.completed')).toEqual({ events: 20, devices: 20 });

  const client = await stack.temporalClient();
  const attempts = async (workflowId: string) =>
    activityAttempts(await client.workflow.getHandle(workflowId).fetchHistory());
  // The kill hit what it was meant to hit.
  expect(await attempts('rollout:docker.io/library/redis:7.5-alpine')).toContainEqual({
    activity: 'applyBatch',
    attempt: 2,
  });
  expect(await attempts('rollout:docker.io/library/nginx:1.29')).toContainEqual({ activity: 'readHealth', attempt: 2 });
});

test('a worker killed with -9 while it ends a rollout: another try follows soon, though that is one statement which may take long', async () => {
  await stack.policy({ ...atOnce, image_pattern: 'postgres:*' });
  await seedDevices(stack.pool, 5, () => appWith('postgres:16'));
  const rolloutId = await startRollout('postgres', '17');
  await until(async () => (await counts(rolloutId))['scheduled'] === 5);
  const held = await holdRows(
    stack.databaseUrl,
    'select from device_rollout_status where rollout_id = $1 order by device_uuid limit 1 for no key update',
    [rolloutId],
  );
  const workflowId = 'rollout:docker.io/library/postgres:17';
  const client = await stack.temporalClient();
  // By a cancel, which looks at no device before it ends the rollout.
  await client.workflow.getHandle(workflowId).signal('cancel');
  await until(async () => (await waiting()).length === 1);
  stack.worker.kill('SIGKILL');
  await held.release();
  const closed = async () => (await client.workflow.getHandle(workflowId).describe()).status.name === 'COMPLETED';
  await until(closed, 120_000);
  expect(activityAttempts(await client.workflow.getHandle(workflowId).fetchHistory())).toContainEqual({
    activity: 'finishRollout',
    attempt: 2,
  });
});

/** A rollout whose devices soak, and whose settling statement will wait for one of them. */
async function startSettling(): Promise<{ rolloutId: string; release(): Promise<void> }> {
  const devices = await stack.devices(Array.from({ length: 20 }, () => appWith('nginx:1.27')));
  // Versions begin at 1 here and at 3 among the seeded ones.
  await stack.pool.query('update device_target_state set version = 3 where version = 1');
  const fleet = stack.play(devices);
  await until(
    async () =>
      (
        await stack.pool.query('select from device_current_state where device_uuid = any ($1)', [
          devices.map(({ uuid }) => uuid),
        ])
      ).rowCount === 20,
  );
  const rolloutId = await startRollout('nginx', '1.29');
  await until(async () => (await counts(rolloutId))['health_checking'] === 20);
  // Silent from here on: only time, and so only the worker, can settle them.
  await fleet.stop();
  const held = await holdRows(
    stack.databaseUrl,
    'select from device_rollout_status where rollout_id = $1 order by device_uuid offset 10 limit 1 for update',
    [rolloutId],
  );
  await until(async () => (await waiting()).length === 1);
  return { rolloutId, release: () => held.release() };
}
