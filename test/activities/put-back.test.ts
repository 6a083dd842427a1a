import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { acceptReport } from '../support/one-report';
import type { RolloutRules } from '../../src/domain/rules';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { until } from '../support/outage';
import { waitingSessions } from '../support/row-lock';
import { appWith, deviceRows, seedDevices, seedRollout, passDeadlines } from '../support/fleet-fixture';

/** A rollback serves devices that are badly off: it asks nothing of them and waits for nothing but the old image. */
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 3 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);

async function told(devices: number, rules: Partial<RolloutRules>, batches: number): Promise<string> {
  await seedDevices(database.pool, devices, () => appWith('redis:7-alpine'));
  const rolloutId = await seedRollout(database.pool, { rules });
  await run(activities().planRollout, { rolloutId });
  for (let batch = 1; batch <= batches; batch++) await run(activities().applyBatch, { rolloutId, batch });
  return rolloutId;
}
const restore = (rolloutId: string) => run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });

async function report(deviceUuid: string, tag: string, status = 'running'): Promise<void> {
  const services = [{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status }];
  await acceptReport(database.pool, { deviceUuid, apps: { '1002': { services } }, version: null, info: {} });
}
const statuses = async (rolloutId: string) => (await deviceRows(database.pool, rolloutId)).map((row) => row.status);
async function images(): Promise<unknown[]> {
  const found = await database.pool.query<{ image: unknown }>(
    `select distinct apps #> '{1002,services,0,imageName}' as image from device_target_state`,
  );
  return found.rows.map((row) => row.image);
}

it('a device whose new container crash-loops is put back, and is rolled back when the old one runs', async () => {
  const rolloutId = await told(1, { steps: [{ percent: 100 }] }, 1);
  const device = (await deviceRows(database.pool, rolloutId))[0]?.device ?? '';
  await report(device, '7.5-alpine', 'restarting');
  await report(device, '7.5-alpine', 'exited');
  expect(await statuses(rolloutId)).toEqual(['failed']);
  await restore(rolloutId);
  expect(await images()).toEqual(['redis:7-alpine']);
  for (const status of ['exited', 'restarting', 'dead']) await report(device, '7.5-alpine', status);
  await report(device, '7-alpine', 'starting');
  expect(await statuses(rolloutId)).toEqual(['rolling_back']);
  await report(device, '7-alpine');
  expect(await statuses(rolloutId)).toEqual(['rolled_back']);
});

it('devices that failed, were late or fell silent are put back like the others', async () => {
  const rolloutId = await told(4, { steps: [{ percent: 100 }], soakSeconds: 0 }, 1);
  const [failed, late, healthy] = (await deviceRows(database.pool, rolloutId)).map((row) => row.device);
  await report(failed ?? '', '7.5-alpine', 'exited');
  await report(late ?? '', '7-alpine');
  await report(healthy ?? '', '7.5-alpine');
  await passDeadlines(database.pool, rolloutId);
  await run(activities().readHealth, { rolloutId, batch: 1, soakSeconds: null });
  expect((await statuses(rolloutId)).sort()).toEqual(['completed', 'failed', 'timed_out', 'unreachable']);
  await restore(rolloutId);
  expect(await statuses(rolloutId)).toEqual(Array(4).fill('rolling_back'));
  expect(await images()).toEqual(['redis:7-alpine']);
});

it('a rollback has neither batches nor a soak: all batches at once, confirmed by the first report', async () => {
  const steps = [{ percent: 10 }, { percent: 50 }, { percent: 100 }];
  const rolloutId = await told(10, { steps, soakSeconds: 86_400 }, 3);
  await restore(rolloutId);
  expect(await images()).toEqual(['redis:7-alpine']);
  for (const { device } of await deviceRows(database.pool, rolloutId)) await report(device, '7-alpine');
  expect(await statuses(rolloutId)).toEqual(Array(10).fill('rolled_back'));
});

it.each([
  {
    what: "a device's report",
    change: `update device_rollout_status set status = 'health_checking', healthy_since = now()`,
  },
  { what: 'what is written about its proof', change: `update device_rollout_status set proof = '{"running": true}'` },
])('$what that is under way at that moment leaves no device behind', async ({ change }) => {
  const rolloutId = await told(3, { steps: [{ percent: 100 }], soakSeconds: 60 }, 1);
  const moving = (await deviceRows(database.pool, rolloutId)).map(({ device }) => device).sort()[1];
  const report = await database.pool.connect();
  await report.query('begin');
  await report.query(`${change} where rollout_id = $1 and device_uuid = $2`, [rolloutId, moving]);
  const restored = restore(rolloutId);
  await until(async () => (await waitingSessions(database.pool, 'fleetwave-test')).length > 0);
  await report.query('commit');
  report.release();
  await restored;
  expect(await statuses(rolloutId)).toEqual(Array(3).fill('rolling_back'));
  expect(await images()).toEqual(['redis:7-alpine']);
});
