import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

/** What several workers do to one image at the same moment. Rejections are errors here: nobody's turn may cost another's. */
const DEVICES = 400;
const ROUNDS = 15;
const rules = { steps: [{ percent: 100 }] };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await database.pool.query('truncate devices, image_rollouts cascade');
});
afterAll(async () => {
  await database.drop();
});

const activities = () => createActivities({ pool: database.pool, chunkSize: 50 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const plan = (rolloutId: string) => run(activities().planRollout, { rolloutId });
const apply = (rolloutId: string) => run(activities().applyBatch, { rolloutId, batch: 1 });

async function active(): Promise<{ rollouts: string[]; devices: number }> {
  const { rows } = await database.pool.query<{ rollouts: string[]; devices: number }>(
    `select coalesce(array_agg(distinct rollout_id::text), '{}') as rollouts, count(*)::int as devices from device_rollout_status where active`,
  );
  return rows[0] ?? { rollouts: [], devices: 0 };
}

test('rollouts of different tags of one image planned at once: each device is in the last one planned, and in no other', async () => {
  await seedDevices(database.pool, DEVICES, () => appWith('redis:7.0'));
  for (let round = 0; round < ROUNDS; round += 1) {
    const ids = await Promise.all(
      [0, 1, 2].map((number) => seedRollout(database.pool, { tag: `8.${String(round)}.${String(number)}`, rules })),
    );
    await Promise.all(ids.map(plan));
    const { rollouts, devices } = await active();
    expect(devices).toBe(DEVICES);
    expect(rollouts).toHaveLength(1);
    expect(ids).toContain(rollouts[0]);
  }
});

test('a rollout planned while the older one of the image writes its devices takes them over, whatever was written so far', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const devices = await seedDevices(database.pool, DEVICES, () => appWith('redis:7.0'));
    const older = await seedRollout(database.pool, { tag: `9.${String(round)}.0`, rules });
    await plan(older);
    const newer = await seedRollout(database.pool, { tag: `9.${String(round)}.1`, rules });
    await Promise.all([apply(older), plan(newer)]);
    expect(await active()).toEqual({ rollouts: [newer], devices: DEVICES });
    await apply(newer);
    const rows = await deviceRows(database.pool, newer);
    expect(rows.every(({ status }) => status === 'scheduled')).toBe(true);

    await run(activities().restoreDevices, { rolloutId: newer, reason: 'test', actor: 'test' });
    const { rows: images } = await database.pool.query(`select distinct apps from device_target_state`);
    expect(images).toEqual([{ apps: devices[0]?.apps }]);
    await database.pool.query('truncate devices, image_rollouts cascade');
  }
});

test('a rollback or an end in the middle of writing a batch: each device is put back or was never told, none is left between', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    await seedDevices(database.pool, DEVICES, () => appWith('redis:7.0'));
    const rolloutId = await seedRollout(database.pool, { tag: `10.${String(round)}`, rules });
    await plan(rolloutId);
    await Promise.all([
      apply(rolloutId),
      run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' }),
    ]);
    const rows = await deviceRows(database.pool, rolloutId);
    expect(
      rows.filter(
        ({ status, version }) =>
          !(status === 'rolling_back' && version === 5) && !(status === 'skipped' && version === 3),
      ),
    ).toEqual([]);
    await database.pool.query('truncate devices, image_rollouts cascade');

    await seedDevices(database.pool, DEVICES, () => appWith('redis:7.0'));
    const cancelled = await seedRollout(database.pool, { tag: `11.${String(round)}`, rules });
    await plan(cancelled);
    const end = {
      rolloutId: cancelled,
      status: 'cancelled' as const,
      reason: 'test',
      actor: 'test',
      error: null,
      hold: false,
    };
    await Promise.all([apply(cancelled), run(activities().finishRollout, end)]);
    const ended = await deviceRows(database.pool, cancelled);
    expect(
      ended.filter(
        ({ status, version }) => !(status === 'scheduled' && version === 4) && !(status === 'skipped' && version === 3),
      ),
    ).toEqual([]);
    // Told and not proven: they stay with it, until they prove themselves or the next rollout takes them.
    expect(ended.filter((row) => row.active !== (row.status === 'scheduled'))).toEqual([]);
    await database.pool.query('truncate devices, image_rollouts cascade');
  }
});

test('two images that the same devices run are written and put back at once: nobody waits for nobody, each changes its own', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const both = { ...appWith('redis:7.0'), '1003': { services: [{ serviceName: 'web', imageName: 'nginx:1.27' }] } };
    await seedDevices(database.pool, DEVICES, () => both);
    const redis = await seedRollout(database.pool, { tag: `12.${String(round)}`, rules });
    const nginx = await seedRollout(database.pool, {
      image: 'docker.io/library/nginx',
      tag: `1.${String(round)}`,
      rules,
    });
    await Promise.all([redis, nginx].map(plan));
    await Promise.all([redis, nginx].map(apply));
    const restore = (rolloutId: string) =>
      run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });
    await Promise.all([redis, nginx].map(restore));
    const { rows } = await database.pool.query('select distinct apps, version from device_target_state');
    expect(rows).toEqual([{ apps: both, version: 7 }]);
    await database.pool.query('truncate devices, image_rollouts cascade');
  }
});

test('a batch whose activity is cancelled, as by a stopping worker, ends after the chunk under way and is not called done', async () => {
  await seedDevices(database.pool, DEVICES, () => appWith('redis:7.0'));
  const rolloutId = await seedRollout(database.pool, { tag: '13.0', rules });
  await plan(rolloutId);
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', () => {
    environment.cancel();
  });
  expect(await environment.run(activities().applyBatch, { rolloutId, batch: 1 })).toMatchObject({
    done: false,
    batch: { scheduled: 50, pending: 350 },
  });
  expect(await apply(rolloutId)).toMatchObject({ done: true, batch: { scheduled: DEVICES } });
});
