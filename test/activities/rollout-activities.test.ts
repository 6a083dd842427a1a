import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { acceptReport } from '../support/one-report';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout, passDeadlines } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await database.drop();
});

const activities = () => createActivities({ pool: database.pool, chunkSize: 4 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);

async function planned(devices: number): Promise<string> {
  await seedDevices(database.pool, devices, () => appWith('redis:7-alpine'));
  const rolloutId = await seedRollout(database.pool);
  await run(activities().planRollout, { rolloutId });
  return rolloutId;
}

async function report(device: string, image: string, status = 'running'): Promise<void> {
  const apps = { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: image, status }] } };
  await acceptReport(database.pool, { deviceUuid: device, apps, version: null, info: {} });
}

describe('planRollout', () => {
  it('puts every affected device into one batch, and those already on target aside', async () => {
    await seedDevices(database.pool, 10, (index) =>
      appWith(index < 8 ? 'redis:7-alpine' : 'docker.io/library/redis:7.5-alpine'),
    );
    await seedDevices(database.pool, 3, () => appWith('redis/redis-stack:7'));
    const rolloutId = await seedRollout(database.pool);
    const plan = await run(activities().planRollout, { rolloutId });
    expect(plan).toMatchObject({
      outcome: 'planned',
      alreadyOnTarget: 2,
      batches: [
        { number: 1, planned: 1 },
        { number: 2, planned: 3 },
        { number: 3, planned: 4 },
      ],
    });
    const rows = await deviceRows(database.pool, rolloutId);
    expect(rows).toHaveLength(10);
    expect(rows.filter((row) => row.status === 'skipped').map((row) => row.reason)).toEqual([
      'already on target',
      'already on target',
    ]);
  });

  it('reads the same plan when it runs twice', async () => {
    await seedDevices(database.pool, 7, () => appWith('redis:7-alpine'));
    const rolloutId = await seedRollout(database.pool);
    const first = await run(activities().planRollout, { rolloutId });
    expect(await run(activities().planRollout, { rolloutId })).toEqual(first);
  });
});

describe('applyBatch', () => {
  it('changes one string, raises the version by one, and does so once however often it runs', async () => {
    const rolloutId = await planned(20);
    for (const batch of [1, 2, 3, 3])
      expect(await run(activities().applyBatch, { rolloutId, batch })).toMatchObject({ done: true });
    const rows = await deviceRows(database.pool, rolloutId);
    expect(rows.every((row) => row.version === 4 && row.status === 'scheduled')).toBe(true);
    const states = await database.pool.query<{ apps: unknown }>('select apps from device_target_state');
    for (const { apps } of states.rows) expect(apps).toEqual(appWith('redis:7.5-alpine'));
    const events = await database.pool.query("select 1 from rollout_events where type = 'device.update_scheduled'");
    expect(events.rowCount).toBe(20);
  });

  it('writes nothing while the rollout is paused', async () => {
    const rolloutId = await planned(5);
    await run(activities().recordProgress, { rolloutId, seq: 1, status: 'paused', progress: {}, events: [] });
    expect(await run(activities().applyBatch, { rolloutId, batch: 1 })).toMatchObject({ done: false });
    expect((await deviceRows(database.pool, rolloutId)).every((row) => row.version === 3)).toBe(true);
  });
});

describe('restoreDevices', () => {
  it('puts each device back on its own reference, and leaves alone what somebody else changed', async () => {
    const devices = await seedDevices(database.pool, 9, (index) =>
      appWith(`redis:6.${index}`, (['imageName', 'config.image', 'both'] as const)[index % 3] ?? 'both'),
    );
    const rolloutId = await seedRollout(database.pool, { rules: { strategy: 'auto', steps: [{ percent: 100 }] } });
    await run(activities().planRollout, { rolloutId });
    await run(activities().applyBatch, { rolloutId, batch: 1 });
    const edited = devices[0]?.uuid;
    await database.pool.query(
      'update device_target_state set apps = $2, version = version + 1 where device_uuid = $1',
      [edited, appWith('redis:8')],
    );
    for (let time = 0; time < 2; time++)
      await run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });
    for (const device of devices.slice(1)) {
      const now = await database.pool.query<{ apps: unknown; version: number }>(
        'select apps, version from device_target_state where device_uuid = $1',
        [device.uuid],
      );
      expect(now.rows[0]).toEqual({ apps: device.apps, version: 5 });
    }
    const rows = await deviceRows(database.pool, rolloutId);
    expect(rows.find((row) => row.device === edited)).toMatchObject({
      status: 'superseded',
      version: 5,
      active: false,
    });
    expect(rows.filter((row) => row.status === 'rolling_back')).toHaveLength(8);
  });
});

describe('readHealth', () => {
  it('completes devices after their soak, and tells late from silent at the deadline', async () => {
    const rolloutId = await planned(3);
    for (const batch of [1, 2, 3]) await run(activities().applyBatch, { rolloutId, batch });
    const [first, second] = (await deviceRows(database.pool, rolloutId)).map((row) => row.device);
    await report(first ?? '', 'redis:7.5-alpine');
    await report(second ?? '', 'redis:7-alpine');
    const soaking = await run(activities().readHealth, {
      rolloutId,
      batch: null,
      soakSeconds: 60,
    });
    expect(soaking.overall).toEqual({ health_checking: 1, scheduled: 2 });
    expect(soaking.soakDueSeconds).toBeGreaterThan(55);
    await passDeadlines(database.pool, rolloutId);
    const late = await run(activities().readHealth, { rolloutId, batch: null, soakSeconds: 0 });
    expect(late.overall).toEqual({ completed: 1, timed_out: 1, unreachable: 1 });
  });

  it('holds a device that goes back to its old image as failed', async () => {
    const rolloutId = await planned(1);
    await run(activities().applyBatch, { rolloutId, batch: 1 });
    const device = (await deviceRows(database.pool, rolloutId))[0]?.device ?? '';
    await report(device, 'redis:7.5-alpine');
    await report(device, 'redis:7-alpine');
    expect((await deviceRows(database.pool, rolloutId))[0]).toMatchObject({
      status: 'failed',
      reason: 'went back: service redis runs redis:7-alpine',
    });
  });
});

describe('a newer rollout of the image', () => {
  it('takes over the devices of the older one, and would put them back on their last healthy image', async () => {
    const devices = await seedDevices(database.pool, 4, () => appWith('redis:7.0'));
    const rules = { steps: [{ percent: 50 }, { percent: 100 }] };
    const older = await seedRollout(database.pool, { tag: '7.1', rules });
    await run(activities().planRollout, { rolloutId: older });
    await run(activities().applyBatch, { rolloutId: older, batch: 1 });
    const newer = await seedRollout(database.pool, { tag: '7.2', rules });
    expect(await run(activities().planRollout, { rolloutId: newer })).toMatchObject({
      tookOverFrom: ['rollout:docker.io/library/redis:7.1'],
    });
    expect((await deviceRows(database.pool, older)).every((row) => row.status === 'superseded' && !row.active)).toBe(
      true,
    );
    for (const batch of [1, 2]) await run(activities().applyBatch, { rolloutId: newer, batch });
    await run(activities().restoreDevices, { rolloutId: newer, reason: 'test', actor: 'test' });
    for (const device of devices) {
      const now = await database.pool.query<{ apps: unknown }>(
        'select apps from device_target_state where device_uuid = $1',
        [device.uuid],
      );
      expect(now.rows[0]?.apps).toEqual(appWith('redis:7.0'));
    }
  });
});
