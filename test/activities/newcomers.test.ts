import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createActivityRig, type ActivityRig, type RigDevice } from '../support/activity-rig';
import { appWith } from '../support/fleet-fixture';

/** Devices that appear, or start to match, after the plan join the lane of those that were offline. */
const rules = { steps: [{ percent: 100 }], offlineAfterSeconds: 300 };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

/** A rollout whose only batch, of one device, is over. */
async function caughtUp(tag: string, given: Partial<Parameters<ActivityRig['planned']>[0]> = {}): Promise<string> {
  const rolloutId = await rig.planned({ tag, ...given, rules: { ...rules, ...given.rules } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await rig.act.closeBatch({
    rolloutId,
    batch: 1,
    status: 'passed',
    rule: 'all_settled',
    explanation: 'test',
    counts: {},
  });
  return rolloutId;
}
async function newDevice(given: RigDevice = {}): Promise<string> {
  const [device = ''] = await rig.devices([{ seenSecondsAgo: 1, ...given }]);
  return device;
}
const stateOf = async (rolloutId: string, device: string) =>
  (await rig.states(rolloutId)).find((state) => state['device'] === device);
const edit = (device: string, image: string) =>
  rig.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    device,
    appWith(image),
  ]);

it('a device that was created after the plan goes with the next wave, and is told', async () => {
  await newDevice();
  const rolloutId = await caughtUp('1.1');
  const late = await newDevice();
  expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { number: 2, planned: 1 }, deferred: 0 });
  expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { number: 2, planned: 1 }, deferred: 0 });
  await rig.act.applyBatch({ rolloutId, batch: 2 });
  expect(await stateOf(rolloutId, late)).toMatchObject({ batch: 2, status: 'scheduled', version: 4 });
  expect(await rig.count(`rollout_events where type = 'device.deferred' and reason = 'appeared after the plan'`)).toBe(
    1,
  );
});

it('a device that starts to match by an edit of its target joins too; one that is on target, or offline, is not told', async () => {
  await newDevice();
  const [edited, away, done] = [
    await newDevice({ image: 'nginx:1' }),
    await newDevice({ image: 'nginx:1' }),
    await newDevice({ image: 'nginx:1' }),
  ];
  const rolloutId = await caughtUp('1.1');
  expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: null, deferred: 0 });
  await edit(edited, 'redis:0.9');
  await edit(away, 'redis:0.9');
  await rig.seen(away, 900);
  await edit(done, 'redis:1.1');
  expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { planned: 1 }, deferred: 1 });
  expect(await stateOf(rolloutId, edited)).toMatchObject({ batch: 2, status: 'pending', deferred: false });
  expect(await stateOf(rolloutId, away)).toMatchObject({ batch: null, status: 'pending', deferred: true });
  expect(await stateOf(rolloutId, done)).toBeUndefined();
  expect((await rig.act.readHealth({ rolloutId, batch: null, soakSeconds: null })).overall).toEqual({
    scheduled: 1,
    pending: 1,
    deferred: 1,
  });
});

it('a device that the selection or the tag rule leaves out does not join', async () => {
  await newDevice({ fleetId: 'shops' });
  const rolloutId = await caughtUp('1.1', {
    selection: { fleetId: 'shops' },
    rules: { tagRule: { kind: 'semver', range: '^1', allowDowngrade: false } },
  });
  await newDevice();
  await newDevice({ fleetId: 'shops', image: 'redis:1.9' });
  expect(await rig.act.nextWave({ rolloutId })).toEqual({ wave: null, deferred: 0, tookOverFrom: [] });
});

it('a device that was put aside at the plan or excluded does not come in again as a newcomer', async () => {
  const out = await newDevice();
  await newDevice();
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.excludeDevices({ rolloutId, devices: [out], reason: 'test', actor: 'test' });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: null, deferred: 0 });
  expect(await stateOf(rolloutId, out)).toMatchObject({ status: 'skipped', version: 3 });
});

describe('a newcomer that another rollout has', () => {
  it('is left to a newer one', async () => {
    const first = await newDevice();
    const older = await caughtUp('1.1', { selection: { deviceUuids: [first] } });
    await rig.pool.query(`update image_rollouts set selection = '{}' where id = $1`, [older]);
    const second = await newDevice();
    const newer = await rig.planned({ tag: '1.2', rules, selection: { deviceUuids: [second] } });
    expect(await rig.act.nextWave({ rolloutId: older })).toEqual({ wave: null, deferred: 0, tookOverFrom: [] });
    expect(await stateOf(older, second)).toBeUndefined();
    expect(await stateOf(newer, second)).toMatchObject({ status: 'pending', active: true });
  });

  it('is taken from an older one that runs, whose workflow is named', async () => {
    const [first, second] = [await newDevice(), await newDevice()];
    const older = await rig.planned({ tag: '1.1', rules, selection: { deviceUuids: [second] } });
    const newer = await caughtUp('1.2', { selection: { deviceUuids: [first] } });
    await rig.pool.query(`update image_rollouts set selection = '{}' where id = $1`, [newer]);
    expect(await rig.act.nextWave({ rolloutId: newer })).toEqual({
      wave: { number: 2, planned: 1, requiresApproval: false },
      deferred: 0,
      tookOverFrom: ['rollout:docker.io/library/redis:1.1'],
    });
    expect(await stateOf(older, second)).toMatchObject({ status: 'superseded', active: false });
  });

  it('but not by one whose policy says to queue', async () => {
    const [first, second] = [await newDevice(), await newDevice()];
    const older = await rig.planned({ tag: '1.1', rules, selection: { deviceUuids: [second] } });
    const newer = await caughtUp('1.2', { selection: { deviceUuids: [first] }, rules: { onNewer: 'queue' } });
    await rig.pool.query(`update image_rollouts set selection = '{}' where id = $1`, [newer]);
    expect(await rig.act.nextWave({ rolloutId: newer })).toMatchObject({ wave: null, tookOverFrom: [] });
    expect(await stateOf(older, second)).toMatchObject({ status: 'pending', active: true });
  });

  it('and has ended without its proof passes on what the device held before, to go back to', async () => {
    const [first, second] = [await newDevice(), await newDevice()];
    const ended = await rig.planned({ tag: '1.1', rules, selection: { deviceUuids: [second] } });
    await rig.act.applyBatch({ rolloutId: ended, batch: 1 });
    await rig.act.finishRollout({
      rolloutId: ended,
      status: 'cancelled',
      reason: 'test',
      actor: 'test',
      error: null,
      hold: false,
    });
    const newer = await caughtUp('1.2', { selection: { deviceUuids: [first] } });
    await rig.pool.query(`update image_rollouts set selection = '{}' where id = $1`, [newer]);
    expect(await rig.act.nextWave({ rolloutId: newer })).toMatchObject({ wave: { planned: 1 }, tookOverFrom: [] });
    await rig.act.applyBatch({ rolloutId: newer, batch: 2 });
    expect((await rig.targets()).sort()).toEqual(['redis:1.2', 'redis:1.2']);
    await rig.act.restoreDevices({ rolloutId: newer, reason: 'test', actor: 'test' });
    expect((await rig.targets()).sort()).toEqual(['redis:1.0', 'redis:1.0']);
  });
});
