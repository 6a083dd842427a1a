import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { appWith } from '../support/fleet-fixture';

/** `exclude`: what was not told is left out, what was told is put back on its own previous image. */
const rules = { steps: [{ count: 2 }, { percent: 100 }], soakSeconds: 0 };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

const exclude = (rolloutId: string, devices: string[]) =>
  rig.act.excludeDevices({ rolloutId, devices, reason: 'in repair', actor: 'ana' });
const status = async (rolloutId: string): Promise<unknown[]> =>
  (await rig.states(rolloutId)).map((state) => state['status']);
const statusOf = async (rolloutId: string, device: string) =>
  (await rig.states(rolloutId)).find((state) => state['device'] === device);
/** Devices of a batch, in the order of their uuids. */
async function inBatch(rolloutId: string, batch: number): Promise<string[]> {
  return (await rig.states(rolloutId))
    .filter((state) => state['batch'] === batch)
    .map((state) => String(state['device']));
}
async function firstBatchTold(devices: number): Promise<string> {
  await rig.devices(Array.from({ length: devices }, (_, index) => ({ image: `redis:0.${index}` })));
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return rolloutId;
}

it('skips devices whose turn has not come, says why and by whom, and the batch goes on without them', async () => {
  const rolloutId = await firstBatchTold(4);
  const [out = '', other = ''] = await inBatch(rolloutId, 2);
  expect(await exclude(rolloutId, [out])).toEqual({ skipped: 1, putBack: 0 });
  expect(await statusOf(rolloutId, out)).toMatchObject({
    status: 'skipped',
    reason: 'excluded: in repair',
    active: false,
    version: 3,
  });
  expect((await rig.act.applyBatch({ rolloutId, batch: 2 })).batch).toEqual({ scheduled: 1, skipped: 1 });
  expect(await statusOf(rolloutId, other)).toMatchObject({ status: 'scheduled' });
  expect(
    await rig.count(`rollout_events where type = 'device.skipped' and actor = 'ana' and device_uuid = $1`, [out]),
  ).toBe(1);
});

it('puts devices that were told back on what each of them held, whatever became of them, and waits for each', async () => {
  const rolloutId = await firstBatchTold(4);
  await rig.act.applyBatch({ rolloutId, batch: 2 });
  const before = await rig.targets();
  const [healthy = '', failed = '', silent = '', kept = ''] = (await rig.states(rolloutId)).map((state) =>
    String(state['device']),
  );
  await rig.report(healthy, 'redis:1.1');
  await rig.report(failed, 'redis:1.1', 'exited');
  expect(await exclude(rolloutId, [healthy, failed, silent])).toEqual({ skipped: 0, putBack: 3 });
  expect(await status(rolloutId)).toEqual(['rolling_back', 'rolling_back', 'rolling_back', 'scheduled']);
  expect(before).toEqual(Array(4).fill('redis:1.1'));
  expect(await rig.targets()).toEqual(['redis:0.0', 'redis:0.1', 'redis:0.2', 'redis:1.1']);
  await rig.report(healthy, 'redis:0.0');
  await rig.report(kept, 'redis:1.1');
  expect(await status(rolloutId)).toEqual(['rolled_back', 'rolling_back', 'rolling_back', 'completed']);
});

it('what it puts back has a deadline of its own: rollback_failed, while the rollout goes on', async () => {
  await rig.setClock('2027-01-01T00:00:00Z');
  await rig.devices([{}]);
  const rolloutId = await rig.planned({ tag: '1.1', rules: { ...rules, rollbackTimeoutSeconds: 60 } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await exclude(rolloutId, await inBatch(rolloutId, 1));
  await rig.setClock('2027-01-01T00:00:59Z');
  expect((await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: null })).deadlineSeconds).toBe(1);
  expect(await status(rolloutId)).toEqual(['rolling_back']);
  await rig.setClock('2027-01-01T00:01:00Z');
  expect((await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: null })).batch).toEqual({ rollback_failed: 1 });
});

it('said twice does nothing more', async () => {
  const rolloutId = await firstBatchTold(3);
  const devices = [...(await inBatch(rolloutId, 1)), ...(await inBatch(rolloutId, 2))];
  expect(await exclude(rolloutId, devices)).toEqual({ skipped: 1, putBack: 2 });
  const events = await rig.count('rollout_events');
  expect(await exclude(rolloutId, devices)).toEqual({ skipped: 0, putBack: 0 });
  expect(await rig.count('rollout_events')).toBe(events);
  expect((await rig.states(rolloutId)).map(({ version }) => version).sort()).toEqual([3, 5, 5]);
});

it('a deferred device is waited for no more', async () => {
  const [away = ''] = await rig.devices([{ seenSecondsAgo: 1000 }]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await exclude(rolloutId, [away])).toEqual({ skipped: 1, putBack: 0 });
  await rig.seen(away, 0);
  expect(await rig.act.nextWave({ rolloutId })).toEqual({ wave: null, deferred: 0, tookOverFrom: [] });
});

it('a device whose target somebody changed since is left alone, and let go', async () => {
  const rolloutId = await firstBatchTold(2);
  const [edited = ''] = await inBatch(rolloutId, 1);
  await rig.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    edited,
    appWith('redis:9'),
  ]);
  expect(await exclude(rolloutId, [edited])).toEqual({ skipped: 0, putBack: 0 });
  expect(await statusOf(rolloutId, edited)).toMatchObject({
    status: 'superseded',
    reason: 'its target was changed by someone else: left alone',
    active: false,
    version: 5,
  });
  expect(await rig.targets()).toContain('redis:9');
});

it('a device that it took over unproven, and has not told, goes back to what it held before both', async () => {
  const [device = ''] = await rig.devices([{}]);
  const older = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId: older, batch: 1 });
  const newer = await rig.planned({ tag: '1.2', rules });
  expect(await exclude(newer, [device])).toEqual({ skipped: 0, putBack: 1 });
  expect(await rig.targets()).toEqual(['redis:1.0']);
});

it('devices that have no part in the rollout, and devices of another one, are not touched', async () => {
  const rolloutId = await firstBatchTold(2);
  const [stranger = ''] = await rig.devices([{ image: 'nginx:1' }]);
  expect(await exclude(rolloutId, [stranger, '00000000-0000-4000-8000-000000000000'])).toEqual({
    skipped: 0,
    putBack: 0,
  });
});
