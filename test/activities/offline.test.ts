import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { evidenceOf, verdict } from '../../src/domain/verdict';
import { defaultRules } from '../../src/domain/rules';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** What becomes of devices that are offline when their batch comes. */
const rules = { steps: [{ percent: 100 }], offlineAfterSeconds: 300 };
const deferred = 'offline at its turn: caught up when it returns';

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

describe('at the turn of its batch', () => {
  it('a device that was seen long ago is deferred, one never seen is told like those just seen', async () => {
    await rig.devices([{ seenSecondsAgo: 10 }, { seenSecondsAgo: 310 }, {}, { seenSecondsAgo: 290 }]);
    const rolloutId = await rig.planned({ rules });
    const { batch, overall, done } = await rig.act.applyBatch({ rolloutId, batch: 1 });
    expect(done).toBe(true);
    expect(batch).toEqual({ scheduled: 3, deferred: 1 });
    expect(overall).toEqual(batch);
    expect((await rig.states(rolloutId)).map(({ status, reason, version }) => [status, reason, version])).toEqual([
      ['scheduled', null, 4],
      ['pending', deferred, 3],
      ['scheduled', null, 4],
      ['scheduled', null, 4],
    ]);
    expect(await rig.count(`rollout_events where type = 'device.deferred'`)).toBe(1);
  });

  it('is judged by the policy’s own time, and by when it was last seen then, not at the plan', async () => {
    const [quick = '', slow = ''] = await rig.devices([{ seenSecondsAgo: 20 }, { seenSecondsAgo: 5 }]);
    const rolloutId = await rig.planned({ rules: { ...rules, offlineAfterSeconds: 15 } });
    await rig.seen(quick, 1);
    await rig.seen(slow, 16);
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    expect((await rig.states(rolloutId)).map(({ status, deferred: later }) => [status, later])).toEqual([
      ['scheduled', false],
      ['pending', true],
    ]);
  });

  it('is deferred once, and does not come back into its own batch', async () => {
    const [device = ''] = await rig.devices([{ seenSecondsAgo: 400 }]);
    const rolloutId = await rig.planned({ rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await rig.seen(device, 0);
    expect((await rig.act.applyBatch({ rolloutId, batch: 1 })).batch).toEqual({ deferred: 1 });
    expect(await rig.count(`rollout_events where type like 'device.%'`)).toBe(1);
    expect(await rig.targets()).toEqual(['redis:1.0']);
  });

  it('one that runs the image by now is on target, whether it is offline or not', async () => {
    await rig.devices([{ seenSecondsAgo: 400 }]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.pool.query(
      `update device_target_state set apps = jsonb_set(apps, '{1002,services,0,imageName}', '"redis:1.1"')`,
    );
    expect((await rig.act.applyBatch({ rolloutId, batch: 1 })).batch).toEqual({ skipped: 1 });
    expect(await rig.states(rolloutId)).toMatchObject([
      { reason: 'already on target', deferred: false, active: false },
    ]);
  });

  it('keeps what it inherited from an older rollout, and goes back to that', async () => {
    const [device = ''] = await rig.devices([{ seenSecondsAgo: 1 }]);
    const older = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId: older, batch: 1 });
    await rig.seen(device, 400);
    const newer = await rig.planned({ tag: '1.2', rules });
    expect((await rig.act.applyBatch({ rolloutId: newer, batch: 1 })).batch).toEqual({ deferred: 1 });
    expect(await rig.targets()).toEqual(['redis:1.1']);
    await rig.act.restoreDevices({ rolloutId: newer, reason: 'test', actor: 'test' });
    expect(await rig.targets()).toEqual(['redis:1.0']);
  });
});

describe('a deferred device', () => {
  it('is no evidence: a batch of nothing else is skipped, and says that it proves nothing', async () => {
    await rig.devices([{ seenSecondsAgo: 400 }, { seenSecondsAgo: 500 }]);
    const rolloutId = await rig.planned({ rules });
    const { batch } = await rig.act.applyBatch({ rolloutId, batch: 1 });
    const evidence = evidenceOf(batch);
    expect(evidence).toMatchObject({ attempted: 0, pending: 0, settled: 0 });
    expect(verdict(evidence, evidence, defaultRules)).toMatchObject({ kind: 'skipped', rule: 'no_attempted_device' });
  });

  it('has no deadline: however late it is, it has not failed', async () => {
    await rig.setClock('2027-01-01T00:00:00Z');
    await rig.devices([{ seenSecondsAgo: 400 }]);
    const rolloutId = await rig.planned({ rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await rig.setClock('2027-01-09T00:00:00Z');
    const seen = await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: null });
    expect(seen).toEqual({
      batch: { deferred: 1 },
      overall: { deferred: 1 },
      soakDueSeconds: null,
      deadlineSeconds: null,
    });
  });

  it('is not put back by a rollback: it was told nothing, and is skipped', async () => {
    await rig.devices([{ seenSecondsAgo: 400 }]);
    const rolloutId = await rig.planned({ rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await rig.act.restoreDevices({ rolloutId, reason: 'test', actor: 'test' });
    expect(await rig.states(rolloutId)).toMatchObject([
      { status: 'skipped', reason: 'the rollout was rolled back before its turn', active: false, version: 3 },
    ]);
  });

  it('that a newer rollout takes is superseded in the older one, and waits no more there', async () => {
    await rig.devices([{ seenSecondsAgo: 400 }]);
    const older = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId: older, batch: 1 });
    await rig.planned({ tag: '1.2', rules });
    expect((await rig.act.readHealth({ rolloutId: older, batch: null, soakSeconds: null })).overall).toEqual({
      superseded: 1,
    });
    expect(await rig.act.nextWave({ rolloutId: older })).toEqual({ wave: null, deferred: 0, tookOverFrom: [] });
  });
});
