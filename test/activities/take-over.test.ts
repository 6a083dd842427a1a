import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { acceptReport } from '../../src/db/reports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 100 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const rules = { strategy: 'auto' as const, steps: [{ percent: 100 }], soakSeconds: 0 };

async function started(tag: string, given: { requiresApproval?: boolean } = {}): Promise<string> {
  const rolloutId = await seedRollout(database.pool, { tag, rules: { ...rules, ...given } });
  await run(activities().planRollout, { rolloutId });
  return rolloutId;
}
async function told(tag: string): Promise<string> {
  const rolloutId = await started(tag);
  await run(activities().applyBatch, { rolloutId, batch: 1 });
  return rolloutId;
}
const end = (rolloutId: string, status: 'cancelled' | 'completed') =>
  run(activities().finishRollout, { rolloutId, status, reason: 'test', actor: 'test', error: null, hold: false });
async function report(device: string, tag: string): Promise<void> {
  const apps = {
    '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status: 'running' }] },
  };
  await acceptReport(database.pool, { deviceUuid: device, apps, version: null, info: {} });
}
async function images(): Promise<unknown[]> {
  const found = await database.pool.query<{ image: unknown }>(
    `select apps #> '{1002,services,0,imageName}' as image from device_target_state order by device_uuid`,
  );
  return found.rows.map((row) => row.image);
}
async function rolledBack(rolloutId: string): Promise<void> {
  await run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });
}

describe('what a device goes back to is its last healthy image', () => {
  it('not the one of a cancelled rollout that it never proved', async () => {
    const [proven, unproven] = (await seedDevices(database.pool, 2, () => appWith('redis:1.0')))
      .map((device) => device.uuid)
      .sort();
    const cancelled = await told('1.1');
    await report(proven ?? '', '1.1');
    await end(cancelled, 'cancelled');
    const next = await told('1.2');
    await rolledBack(next);
    expect(await images()).toEqual(['redis:1.1', 'redis:1.0']);
    expect(
      (await deviceRows(database.pool, cancelled)).map((row) => [row.device === unproven, row.status, row.active]),
    ).toEqual(
      expect.arrayContaining([
        [false, 'completed', false],
        [true, 'scheduled', false],
      ]),
    );
  });

  it('but a device may still prove itself after the end of its rollout', async () => {
    const [device] = await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    const cancelled = await told('1.1');
    await end(cancelled, 'cancelled');
    await report(device?.uuid ?? '', '1.1');
    expect(await deviceRows(database.pool, cancelled)).toMatchObject([{ status: 'completed' }]);
    await rolledBack(await told('1.2'));
    expect(await images()).toEqual(['redis:1.1']);
  });

  it('through two rollouts that it never proved', async () => {
    await seedDevices(database.pool, 1, () => appWith('redis:1.0'));
    await told('1.1');
    await told('1.2');
    await rolledBack(await told('1.3'));
    expect(await images()).toEqual(['redis:1.0']);
  });
});

describe('a rollout that waits for approval', () => {
  it('takes no device from another one until it is approved, then takes them once', async () => {
    await seedDevices(database.pool, 3, () => appWith('redis:1.0'));
    const running = await told('1.1');
    const waiting = await started('1.2', { requiresApproval: true });
    expect((await deviceRows(database.pool, running)).every((row) => row.active && row.status === 'scheduled')).toBe(
      true,
    );
    expect((await deviceRows(database.pool, waiting)).every((row) => !row.active && row.status === 'pending')).toBe(
      true,
    );
    expect(await run(activities().claimDevices, { rolloutId: waiting })).toEqual([
      'rollout:docker.io/library/redis:1.1',
    ]);
    expect(await run(activities().claimDevices, { rolloutId: waiting })).toEqual([]);
    expect((await deviceRows(database.pool, running)).every((row) => row.status === 'superseded')).toBe(true);
    await run(activities().applyBatch, { rolloutId: waiting, batch: 1 });
    await rolledBack(waiting);
    expect(await images()).toEqual(['redis:1.0', 'redis:1.0', 'redis:1.0']);
  });

  it('that is refused leaves no device pending', async () => {
    await seedDevices(database.pool, 2, () => appWith('redis:1.0'));
    const refused = await started('1.1', { requiresApproval: true });
    await end(refused, 'cancelled');
    expect((await deviceRows(database.pool, refused)).map((row) => row.status)).toEqual(['skipped', 'skipped']);
  });
});
