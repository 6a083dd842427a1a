import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { defaultChunkSize } from '../../src/activities/deps';
import { acceptReport } from '../support/one-report';
import { deviceStatuses, rolloutStatuses } from '../../src/domain/rollout-states';
import type { DeviceSelection } from '../../src/domain/rules';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout, type SeededDevice } from '../support/fleet-fixture';

/** Faults of the system that Fleetwave takes over from, those of its rollouts; docs/original-faults.md lists all. */
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

const activities = () => createActivities({ pool: database.pool, chunkSize: defaultChunkSize });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const atOnce = { strategy: 'auto' as const, steps: [{ percent: 100 }] };

async function rollOut(selection: DeviceSelection = {}): Promise<string> {
  const rolloutId = await seedRollout(database.pool, { rules: atOnce, selection });
  await run(activities().planRollout, { rolloutId });
  await run(activities().applyBatch, { rolloutId, batch: 1 });
  return rolloutId;
}

const rollBack = (rolloutId: string) => run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });

async function targets(): Promise<Map<string, unknown>> {
  const { rows } = await database.pool.query<{ device_uuid: string; apps: unknown }>(
    'select device_uuid, apps from device_target_state',
  );
  return new Map(rows.map(({ device_uuid: uuid, apps }) => [uuid, apps]));
}

async function expectTargets(devices: readonly SeededDevice[], apps: (device: SeededDevice) => unknown): Promise<void> {
  const found = await targets();
  for (const device of devices) expect(found.get(device.uuid)).toEqual(apps(device));
}

test('fault of the original: of 100 devices on two tags none is left out', async () => {
  const devices = await seedDevices(database.pool, 100, (index) =>
    appWith(index < 40 ? 'redis:7-alpine' : 'redis:6-alpine'),
  );
  await rollOut();
  await expectTargets(devices, () => appWith('redis:7.5-alpine'));
});

test("fault of the original: a rollback gives each device its own previous tag, in the field that held it, and keeps an operator's later change", async () => {
  const fields = ['imageName', 'config.image', 'both'] as const;
  const devices = await seedDevices(database.pool, 30, (index) =>
    appWith(`redis:6.${String(index)}`, fields[index % 3]),
  );
  const rolloutId = await rollOut();
  const [edited, ...others] = devices;
  await database.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    edited?.uuid,
    appWith('redis:8'),
  ]);
  await rollBack(rolloutId);
  await expectTargets(others, ({ apps }) => apps);
  expect((await targets()).get(edited?.uuid ?? '')).toEqual(appWith('redis:8'));
});

test('fault of the original: two tags of the image on one device are both updated, and go back to two', async () => {
  const two = (first: string, second: string) => ({
    '1002': {
      services: [
        { serviceName: 'cache', imageName: first },
        { serviceName: 'queue', imageName: second, config: { image: second } },
      ],
    },
  });
  const devices = await seedDevices(database.pool, 3, () => two('redis:6.2', 'redis:7.0'));
  const rolloutId = await rollOut();
  await expectTargets(devices, () => two('redis:7.5-alpine', 'redis:7.5-alpine'));
  await rollBack(rolloutId);
  await expectTargets(devices, ({ apps }) => apps);
});

test('fault of the original: a device with only imageName is rolled back when it says so, not before', async () => {
  const [device] = await seedDevices(database.pool, 1, () => appWith('redis:7-alpine'));
  const rolloutId = await rollOut();
  await rollBack(rolloutId);
  expect((await targets()).get(device?.uuid ?? '')).toEqual(appWith('redis:7-alpine'));
  expect((await deviceRows(database.pool, rolloutId))[0]?.status).toBe('rolling_back');
  await report(device, 'redis:7-alpine');
  expect((await deviceRows(database.pool, rolloutId))[0]?.status).toBe('rolled_back');
});

test('fault of the original: references with a port, a digest, no tag or a full name are found and kept as written; look-alikes are not touched', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const same = [
    'redis',
    'library/redis:7',
    'docker.io/library/redis',
    `redis:7@${digest}`,
    `docker.io/library/redis@${digest}`,
  ];
  const others = [
    'registry:5000/redis:7.0',
    'redis/redis-stack:7',
    'redis-stack:7',
    'bitnami/redis:7',
    'redis-exporter:7',
    'localhost/redis:7',
  ];
  const affected = await seedDevices(database.pool, same.length, (index) => appWith(same[index] ?? ''));
  const untouched = await seedDevices(database.pool, others.length, (index) => appWith(others[index] ?? ''));
  await rollOut();
  const names = ['redis', 'library/redis', 'docker.io/library/redis', 'redis', 'docker.io/library/redis'];
  for (const [index, device] of affected.entries())
    await expectTargets([device], () => appWith(`${names[index] ?? ''}:7.5-alpine`));
  await expectTargets(untouched, ({ apps }) => apps);
});

test('fault of the original: 13,108 devices, one more than five parameters a row allow, are planned and told', async () => {
  await seedDevices(database.pool, 13_108, () => appWith('redis:7-alpine'));
  const rolloutId = await rollOut();
  const { rows } = await database.pool.query(
    'select status, count(*)::int as devices from device_rollout_status where rollout_id = $1 group by status',
    [rolloutId],
  );
  expect(rows).toEqual([{ status: 'scheduled', devices: 13_108 }]);
});

test("fault of the original: a policy's fleet, tags and devices narrow its rollout", async () => {
  const devices = await seedDevices(database.pool, 6, () => appWith('redis:7-alpine'));
  const uuids = devices.map(({ uuid }) => uuid);
  await database.pool.query(`update devices set fleet_id = 'lab' where uuid = any ($1)`, [uuids.slice(0, 5)]);
  await database.pool.query(`update devices set tags = '{"ring": "canary", "site": "x"}' where uuid = any ($1)`, [
    uuids.slice(1),
  ]);
  const rolloutId = await rollOut({ fleetId: 'lab', deviceTags: { ring: 'canary' }, deviceUuids: uuids.slice(3) });
  expect((await deviceRows(database.pool, rolloutId)).map(({ device }) => device).sort()).toEqual(
    uuids.slice(3, 5).sort(),
  );
});

test.each([
  [10, [1, 4, 5]],
  [1, [1]],
])('fault of the original: %d devices make batches of %j', async (devices, sizes) => {
  await seedDevices(database.pool, devices, () => appWith('redis:7-alpine'));
  const rolloutId = await seedRollout(database.pool);
  const plan = await run(activities().planRollout, { rolloutId });
  expect(plan.outcome === 'planned' ? plan.batches.map(({ planned }) => planned) : plan).toEqual(sizes);
});

test('fault of the original: reports move a device beyond scheduled, and a container that runs the old image proves nothing', async () => {
  const [device] = await seedDevices(database.pool, 1, () => appWith('redis:7-alpine'));
  const rolloutId = await rollOut();
  await report(device, 'redis:7-alpine');
  expect((await deviceRows(database.pool, rolloutId))[0]?.status).toBe('scheduled');
  await report(device, 'redis:7.5-alpine');
  expect((await deviceRows(database.pool, rolloutId))[0]?.status).toBe('health_checking');
});

test.each([
  ['image_rollouts', 'image_rollouts_status', rolloutStatuses],
  ['device_rollout_status', 'device_rollout_status_status', deviceStatuses],
])(
  'fault of the original: the constraint of %s allows exactly the states that the code knows',
  async (table, constraint, statuses) => {
    const { rows } = await database.pool.query<{ text: string }>(
      'select pg_get_constraintdef(oid) as text from pg_constraint where conname = $2 and conrelid = $1::regclass',
      [table, constraint],
    );
    const allowed = [...(rows[0]?.text ?? '').matchAll(/'([a-z_]+)'::text/g)].map(([, status]) => status);
    expect(allowed.sort()).toEqual([...statuses].sort());
  },
);

async function report(device: SeededDevice | undefined, image: string): Promise<void> {
  const apps = { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: image, status: 'running' }] } };
  await acceptReport(database.pool, { deviceUuid: device?.uuid ?? '', apps, version: null, info: {} });
}
