import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createBatchWatcher } from '../../src/api/batch-watcher';
import { applyChunk, openBatch } from '../../src/db/apply-batch';
import { acceptReport, type Touch } from '../support/one-report';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';
import { recordingLogger, until } from '../support/outage';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.pool.query('truncate devices, image_rollouts cascade'));
afterAll(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 1000 });

/** A rollout in one batch, of which so many devices were told. */
async function told(repository: string, devices: number, first: number): Promise<string> {
  await seedDevices(database.pool, devices, () => appWith(`${repository}:6`));
  const rules = { steps: [{ percent: 100 }], soakSeconds: 0 };
  const id = await seedRollout(database.pool, { image: `docker.io/library/${repository}`, tag: '7', rules });
  await new MockActivityEnvironment().run(activities().planRollout, { rolloutId: id });
  await openBatch(database.pool, id, 1);
  await applyChunk(database.pool, id, 1, first, { zones: null, frozenFleets: [] });
  return id;
}

async function report(rolloutId: string, repository: string, status: string, limit: number): Promise<void> {
  const waiting = (await deviceRows(database.pool, rolloutId)).filter((row) => row.status === 'scheduled');
  for (const { device: deviceUuid } of waiting.slice(0, limit)) {
    const services = [{ serviceId: 1, serviceName: 'redis', imageName: `${repository}:7`, status }];
    await acceptReport(database.pool, { deviceUuid, apps: { '1002': { services } }, version: null, info: {} });
  }
}

/** A watcher whose signals fail for the workflows that are named, with what it sent. */
function watch(failing: Set<string>) {
  const sent: string[] = [];
  const watcher = createBatchWatcher({
    pool: database.pool,
    log: recordingLogger().log,
    signal: (workflowId) => {
      if (failing.has(workflowId)) return Promise.reject(new Error('Temporal is away'));
      sent.push(workflowId);
      return Promise.resolve('sent');
    },
  });
  return { sent, watcher };
}

const touch = (rolloutId: string): Touch => ({ rolloutId, batch: 1 });
const workflow = (repository: string) => `rollout:docker.io/library/${repository}:7`;
async function signalled(id: string): Promise<string | null> {
  const { rows } = await database.pool.query<{ signalled: string | null }>(
    'select signalled from rollout_batches where rollout_id = $1',
    [id],
  );
  return rows[0]?.signalled ?? null;
}

test('a signal that cannot be sent drops no other one, and is sent with the next report', async () => {
  const repositories = ['redis', 'nginx', 'postgres'];
  const ids: string[] = [];
  for (const repository of repositories) {
    const id = await told(repository, 1, 1);
    await report(id, repository, 'running', 1);
    ids.push(id);
  }
  const failing = new Set(repositories.map(workflow).slice(0, 2));
  const { sent, watcher } = watch(failing);
  watcher.touched(ids.map(touch));
  await until(() => Promise.resolve(sent.length === 1));
  expect(sent).toEqual([workflow('postgres')]);
  await until(async () => (await signalled(ids[0] ?? '')) === null && (await signalled(ids[1] ?? '')) === null);

  failing.clear();
  watcher.touched(ids.map(touch));
  await until(() => Promise.resolve(sent.length === 3));
  expect(new Set(sent)).toEqual(new Set(repositories.map(workflow)));
  await watcher.close();
});

test('an outcome that was so, was not any more and is so again is signalled again', async () => {
  const id = await told('redis', 2, 2);
  await report(id, 'redis', 'running', 2);
  const { sent, watcher } = watch(new Set());
  watcher.touched([touch(id)]);
  await until(() => Promise.resolve(sent.length === 1));
  await database.pool.query("update device_rollout_status set status = 'scheduled' where rollout_id = $1", [id]);
  watcher.touched([touch(id)]);
  await until(async () => (await signalled(id)) === null);
  await report(id, 'redis', 'running', 2);
  watcher.touched([touch(id)]);
  await until(() => Promise.resolve(sent.length === 2));
  await watcher.close();
});

test('a failure that was signalled while its batch was still being written is signalled again when it is true', async () => {
  const id = await told('redis', 20, 5);
  await report(id, 'redis', 'exited', 2);
  await report(id, 'redis', 'running', 3);
  const { sent, watcher } = watch(new Set());
  watcher.touched([touch(id)]);
  await until(() => Promise.resolve(sent.length === 1));
  expect(await signalled(id)).toMatch(/^fail/);
  await new MockActivityEnvironment().run(activities().applyBatch, { rolloutId: id, batch: 1 });
  // Two of twenty were few; five are a quarter, before anybody has looked in between.
  await report(id, 'redis', 'exited', 3);
  watcher.touched([touch(id)]);
  await until(() => Promise.resolve(sent.length === 2));
  await watcher.close();
});
