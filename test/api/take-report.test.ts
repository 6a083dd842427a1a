import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { HttpProblem } from '../../src/api/problem';
import { startApiRig, type ApiRig } from './api-rig';

/** Whose report stands where: storing one compares its key, but only of who was let in before. */
let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => rig.close());

const report = (uuid: string, key: string) =>
  rig.call('PATCH', '/api/v1/device/state', { key, body: { [uuid]: { apps: {}, version: 1 } } });
const watch = () => ({
  reports: jest.spyOn(rig.deps.intake.reports, 'add'),
  keys: jest.spyOn(rig.deps.intake.keys, 'add'),
});

test('the first report of a key looks it up, the next ones do not', async () => {
  const { uuid, key } = await rig.device();
  const { reports, keys } = watch();
  expect((await report(uuid, key)).status).toBe(200);
  expect([keys.mock.calls.length, reports.mock.calls.length]).toEqual([1, 1]);
  expect((await report(uuid, key)).status).toBe(200);
  expect([keys.mock.calls.length, reports.mock.calls.length]).toEqual([1, 2]);
});

test("a stranger's report never stands in the queue of devices' reports", async () => {
  const { uuid, key } = await rig.device();
  const { key: another } = await rig.device();
  await report(uuid, key);
  const { reports } = watch();
  expect((await report(uuid, 'wrong')).status).toBe(401);
  expect((await report(uuid, another)).status).toBe(403);
  expect(reports).not.toHaveBeenCalled();
});

test('a key that was accepted and then replaced is refused, whatever this process remembers', async () => {
  const { uuid, key } = await rig.device();
  expect((await report(uuid, key)).status).toBe(200);
  const before = await rig.database.pool.query('select reported_at from device_current_state where device_uuid = $1', [
    uuid,
  ]);
  await rig.database.pool.query(
    "update devices set api_key_hash = sha256('new'), previous_key_hash = null where uuid = $1",
    [uuid],
  );
  expect((await report(uuid, key)).status).toBe(401);
  expect((await report(uuid, 'new')).status).toBe(200);
  const after = await rig.database.pool.query('select reported_at from device_current_state where device_uuid = $1', [
    uuid,
  ]);
  expect(after.rows).not.toEqual(before.rows);
  await rig.database.pool.query('update devices set is_active = false where uuid = $1', [uuid]);
  expect((await report(uuid, 'new')).status).toBe(403);
});

test('a device whose report cannot be stored was heard all the same, known or not', async () => {
  const { uuid, key } = await rig.device();
  for (let time = 1; time <= 2; time += 1) {
    const { reports } = watch();
    reports.mockRejectedValueOnce(new HttpProblem(503, 'overloaded', 'too much'));
    expect((await report(uuid, key)).status).toBe(503);
    expect(rig.deps.lastSeen.latest(uuid)).not.toBeNull();
    await rig.deps.lastSeen.flush();
    expect(rig.deps.lastSeen.latest(uuid)).toBeNull();
    jest.restoreAllMocks();
  }
});
