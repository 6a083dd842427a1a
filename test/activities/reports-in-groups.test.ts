import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { hashSecret } from '../../src/api/operators';
import { acceptReports, acceptWords, type Report } from '../../src/db/reports';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { countStatements } from '../support/intake';

/** Reports of many devices are stored, judged and acted on together. */
let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig({ chunkSize: 100 });
});
afterEach(() => rig.drop());

const [OLD, NEW] = ['redis:7-alpine', 'redis:7.5-alpine'] as const;
async function told(count: number) {
  const devices = await rig.devices(Array.from({ length: count }, () => ({ image: OLD })));
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], soakSeconds: 0 } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return { rolloutId, devices };
}
const report = (deviceUuid: string, image: string, status = 'running'): Report => ({
  deviceUuid,
  apps: { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: image, status }] } },
  version: 4,
  info: { memory_mb: 1 },
});
const counted = (rolloutId: string) =>
  rig.pool.query(
    'select status, count(*)::int as n from device_rollout_status where rollout_id = $1 group by 1 order by 1',
    [rolloutId],
  );

it('takes two statements for any number of devices, each judged by its own report', async () => {
  const { rolloutId, devices } = await told(60);
  const reports = devices.map((device, place) =>
    report(device, place % 3 === 0 ? OLD : NEW, place % 3 === 1 ? 'exited' : 'running'),
  );
  let touches: unknown;
  const statements = await countStatements(rig.pool, async (pool) => {
    ({ touches } = await acceptReports(pool, reports));
  });
  expect(statements).toHaveLength(2);
  expect(touches).toEqual([{ rolloutId, batch: 1 }]);
  expect((await counted(rolloutId)).rows).toEqual([
    { status: 'completed', n: 20 },
    { status: 'failed', n: 20 },
    { status: 'updating', n: 20 },
  ]);
  expect(await rig.count(`device_current_state where info ->> 'memory_mb' = '1'`)).toBe(60);
  const events = `rollout_events where rollout_id = $1 and type in ('device.completed', 'device.failed', 'device.updating')`;
  expect(await rig.count(events, [rolloutId])).toBe(60);
  expect(await acceptReports(rig.pool, reports)).toEqual({ touches: [], refused: new Set() });
  expect(await rig.count(events, [rolloutId])).toBe(60);
});

it('stores nothing of a device whose key was not sent, and all of the others in its group', async () => {
  const { rolloutId, devices } = await told(5);
  const [good, wrong, unproven, off, silent] = devices as [string, string, string, string, string];
  await rig.pool.query(`update devices set api_key_hash = sha256(uuid::text::bytea), key_proven = true`);
  await rig.pool.query('update devices set key_proven = false where uuid = $1', [unproven]);
  await rig.pool.query('update devices set is_active = false where uuid = $1', [off]);
  const sent = (device: string, key = device) => ({ ...report(device, NEW), keyHash: hashSecret(key) });
  const { touches, refused } = await acceptReports(rig.pool, [
    ...[sent(good), sent(wrong, good), sent(unproven), sent(off)],
    { ...sent(silent, good), apps: undefined },
  ]);
  expect(touches).toEqual([{ rolloutId, batch: 1 }]);
  expect(refused).toEqual(new Set([wrong, unproven, off, silent]));
  const { rows } = await rig.pool.query('select device_uuid from device_current_state');
  expect(rows).toEqual([{ device_uuid: good }]);
});

it('keeps the apps of a report that says nothing of them, beside others in its group', async () => {
  const { devices } = await told(2);
  await acceptReports(rig.pool, [report(devices[0]!, NEW), report(devices[1]!, NEW)]);
  const silent = { deviceUuid: devices[0]!, apps: undefined, version: null, info: { uptime: 7 } };
  await acceptReports(rig.pool, [silent, report(devices[1]!, OLD)]);
  const { rows } = await rig.pool.query(
    `select apps #>> '{1002,services,0,imageName}' as image, version, info from device_current_state order by device_uuid`,
  );
  expect(rows).toEqual([
    { image: NEW, version: 4, info: { memory_mb: 1, uptime: 7 } },
    { image: OLD, version: 4, info: { memory_mb: 1 } },
  ]);
});

it('groups of the same devices, in whatever order and at once, do not wait for each other', async () => {
  const { rolloutId, devices } = await told(40);
  const forward = devices.map((device) => report(device, NEW));
  const words = devices.map((deviceUuid) => ({
    ...{ deviceUuid, appId: null, service: null, image: NEW, message: null },
    status: 'healthy' as const,
  }));
  await Promise.all(
    Array.from({ length: 12 }, (_, turn) =>
      turn % 3 === 0
        ? acceptWords(rig.pool, [...words].reverse())
        : acceptReports(rig.pool, turn % 2 === 0 ? forward : [...forward].reverse()),
    ),
  );
  expect((await counted(rolloutId)).rows).toEqual([{ status: 'completed', n: 40 }]);
  const twice = `(select device_uuid from rollout_events where rollout_id = $1 and type = 'device.completed' group by 1 having count(*) > 1) d`;
  expect(await rig.count(twice, [rolloutId])).toBe(0);
});

it('a device whose target somebody else edited is let go, the others of its group are not', async () => {
  const { rolloutId, devices } = await told(3);
  await rig.pool.query(
    `update device_target_state set apps = jsonb_set(apps, '{1002,services,0,imageName}', '"redis:9"'), version = version + 1 where device_uuid = $1`,
    [devices[1]],
  );
  await acceptReports(
    rig.pool,
    devices.map((device) => report(device, NEW, 'exited')),
  );
  expect((await counted(rolloutId)).rows).toEqual([
    { status: 'failed', n: 2 },
    { status: 'superseded', n: 1 },
  ]);
});
