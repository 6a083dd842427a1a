import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimReturns } from '../../src/db/catch-up';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** After the last batch: devices that were deferred return and go in capped waves. */
const rules = { steps: [{ count: 2 }, { percent: 100 }], offlineAfterSeconds: 300 };
const OFFLINE = { seenSecondsAgo: 1000 };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

/** Two devices are told, the others are deferred. */
async function deferring(offline: number): Promise<{ rolloutId: string; away: string[] }> {
  const uuids = await rig.devices([
    { seenSecondsAgo: 1 },
    { seenSecondsAgo: 1 },
    ...Array.from({ length: offline }, () => OFFLINE),
  ]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  for (const batch of [1, 2]) await rig.act.applyBatch({ rolloutId, batch });
  for (const batch of [1, 2])
    await rig.act.closeBatch({
      rolloutId,
      batch,
      status: 'passed',
      rule: 'all_settled',
      explanation: 'test',
      counts: {},
    });
  return { rolloutId, away: uuids.slice(2) };
}
const comeBack = async (devices: readonly string[]): Promise<void> => {
  for (const device of devices) await rig.seen(device, 1);
};
const close = (rolloutId: string, batch: number, status: 'passed' | 'skipped' = 'passed') =>
  rig.act.closeBatch({ rolloutId, batch, status, rule: 'all_settled', explanation: 'test', counts: {} });

describe('nextWave', () => {
  it('waits for devices that are not back', async () => {
    const { rolloutId } = await deferring(3);
    expect(await rig.act.nextWave({ rolloutId })).toEqual({ wave: null, deferred: 3, tookOverFrom: [] });
  });

  it('takes those that are back, as many as the first batch at most, under the next number', async () => {
    const { rolloutId, away } = await deferring(5);
    await comeBack(away.slice(0, 3));
    expect(await rig.act.nextWave({ rolloutId })).toEqual({
      wave: { number: 3, planned: 2, requiresApproval: false },
      deferred: 3,
      tookOverFrom: [],
    });
    expect((await rig.act.applyBatch({ rolloutId, batch: 3 })).batch).toEqual({ scheduled: 2 });
    await close(rolloutId, 3);
    expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { number: 4, planned: 1 }, deferred: 2 });
  });

  it('takes a twentieth of the fleet where the first batch was smaller, so that waves stay few', async () => {
    const { rolloutId, away } = await deferring(78);
    await comeBack(away);
    expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { planned: 4 }, deferred: 74 });
  });

  it('run again gives the wave that is under way, and forms no second one', async () => {
    const { rolloutId, away } = await deferring(4);
    await comeBack(away);
    const first = await rig.act.nextWave({ rolloutId });
    expect(await rig.act.nextWave({ rolloutId })).toEqual(first);
    await rig.act.applyBatch({ rolloutId, batch: 3 });
    expect(await rig.act.nextWave({ rolloutId })).toEqual(first);
    expect(await rig.count(`rollout_events where type = 'rollout.wave_formed'`)).toBe(1);
  });

  it('a device that goes offline again before its wave is told is deferred again, and its wave is skipped', async () => {
    const { rolloutId, away } = await deferring(1);
    await comeBack(away);
    await rig.act.nextWave({ rolloutId });
    await rig.seen(away[0] ?? '', 1000);
    expect((await rig.act.applyBatch({ rolloutId, batch: 3 })).batch).toEqual({ deferred: 1 });
    await close(rolloutId, 3, 'skipped');
    expect(await rig.act.nextWave({ rolloutId })).toEqual({ wave: null, deferred: 1, tookOverFrom: [] });
    await comeBack(away);
    expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: { number: 4, planned: 1 }, deferred: 0 });
    expect((await rig.act.applyBatch({ rolloutId, batch: 4 })).batch).toEqual({ scheduled: 1 });
  });

  it('passes a device over that was deactivated, and forms nothing for a rollout that has ended', async () => {
    const { rolloutId, away } = await deferring(2);
    await comeBack(away);
    await rig.pool.query('update devices set is_active = false where uuid = $1', [away[0]]);
    await rig.act.finishRollout({
      rolloutId,
      status: 'cancelled',
      reason: 'test',
      actor: 'test',
      error: null,
      hold: false,
    });
    expect(await rig.act.nextWave({ rolloutId })).toMatchObject({ wave: null });
    expect(await rig.count(`rollout_batches where rollout_id = $1 and lane = 'catch_up'`, [rolloutId])).toBe(0);
  });
});

describe('a patient look, after a signal', () => {
  it('forms a full wave only, so that devices that trickle in do not make one each', async () => {
    const { rolloutId, away } = await deferring(5);
    await comeBack(away.slice(0, 1));
    expect(await rig.act.nextWave({ rolloutId, patient: true })).toMatchObject({ wave: null, deferred: 5 });
    await comeBack(away.slice(1, 2));
    expect(await rig.act.nextWave({ rolloutId, patient: true })).toMatchObject({ wave: { planned: 2 }, deferred: 3 });
  });

  it('or one of all that are waited for; a look that the timer asked for takes who is there', async () => {
    const one = await deferring(1);
    await comeBack(one.away);
    expect(await rig.act.nextWave({ rolloutId: one.rolloutId, patient: true })).toMatchObject({ wave: { planned: 1 } });
    await close(one.rolloutId, 3);
    const five = await deferring(5);
    await comeBack(five.away.slice(0, 1));
    expect(await rig.act.nextWave({ rolloutId: five.rolloutId, patient: true })).toMatchObject({ wave: null });
    expect(await rig.act.nextWave({ rolloutId: five.rolloutId, patient: false })).toMatchObject({
      wave: { planned: 1 },
    });
  });

  it('that forms none leaves the next one to the timer: who comes back then wakes nobody', async () => {
    const { rolloutId, away } = await deferring(5);
    const [first = '', second = ''] = away;
    await comeBack([first]);
    expect(await claimReturns(rig.pool, [first])).toHaveLength(1);
    await rig.act.nextWave({ rolloutId, patient: true });
    expect(await claimReturns(rig.pool, [second])).toEqual([]);
    await rig.act.nextWave({ rolloutId, patient: false });
    expect(await claimReturns(rig.pool, away.slice(2))).toHaveLength(1);
  });
});

it('a device that inherits an image it never proved, and is never told, is still put back by the next rollout', async () => {
  const [device = ''] = await rig.devices([{ seenSecondsAgo: 1 }]);
  const unproven = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId: unproven, batch: 1 });
  const missed = await rig.planned({ tag: '1.2', rules });
  await rig.seen(device, 1000);
  expect((await rig.act.applyBatch({ rolloutId: missed, batch: 1 })).batch).toEqual({ deferred: 1 });
  await rig.act.skipDeferred({ rolloutId: missed });
  const ended = { reason: 'test', actor: 'test', error: null, hold: false };
  await rig.act.finishRollout({ rolloutId: missed, status: 'completed', ...ended });
  expect(await rig.states(missed)).toMatchObject([{ status: 'superseded', active: true }]);
  expect(await rig.targets()).toEqual(['redis:1.1']);
  await rig.seen(device, 1);
  const last = await rig.planned({ tag: '1.3', rules });
  await rig.act.applyBatch({ rolloutId: last, batch: 1 });
  await rig.act.restoreDevices({ rolloutId: last, reason: 'test', actor: 'test' });
  expect(await rig.targets()).toEqual(['redis:1.0']);
  expect(await rig.count(`rollout_events where type = 'device.superseded' and rollout_id = $1`, [missed])).toBe(1);
});

it('skipDeferred gives up on those that wait, once, and on nobody else', async () => {
  const { rolloutId, away } = await deferring(3);
  await comeBack(away.slice(0, 1));
  await rig.act.nextWave({ rolloutId });
  for (let time = 0; time < 2; time++) await rig.act.skipDeferred({ rolloutId });
  const states = await rig.states(rolloutId);
  expect(states.map(({ status }) => status)).toEqual(['scheduled', 'scheduled', 'pending', 'skipped', 'skipped']);
  expect(states.slice(3)).toMatchObject(
    Array(2).fill({ active: false, reason: 'offline: it did not return in the time for catching up' }),
  );
  expect(await rig.count(`rollout_events where type = 'device.skipped'`)).toBe(2);
});

describe('claimReturns', () => {
  const workflowId = 'rollout:docker.io/library/redis:1.1';

  it('names a rollout once until its next look, however many of its devices return', async () => {
    const { rolloutId, away } = await deferring(3);
    expect(await claimReturns(rig.pool, away.slice(0, 2))).toEqual([workflowId]);
    expect(await claimReturns(rig.pool, away)).toEqual([]);
    await rig.act.nextWave({ rolloutId });
    expect(await claimReturns(rig.pool, away.slice(2))).toEqual([workflowId]);
  });

  it('is given once to several processes at the same moment', async () => {
    const { away } = await deferring(2);
    const claimed = await Promise.all(Array.from({ length: 8 }, () => claimReturns(rig.pool, away)));
    expect(claimed.flat()).toEqual([workflowId]);
  });

  it('names no rollout for devices that it does not wait for, nor one that has ended', async () => {
    const { rolloutId, away } = await deferring(1);
    const told = (await rig.states(rolloutId)).filter(({ status }) => status === 'scheduled');
    expect(
      await claimReturns(
        rig.pool,
        told.map(({ device }) => String(device)),
      ),
    ).toEqual([]);
    await rig.act.finishRollout({
      rolloutId,
      status: 'cancelled',
      reason: 'test',
      actor: 'test',
      error: null,
      hold: false,
    });
    expect(await claimReturns(rig.pool, away)).toEqual([]);
  });
});
