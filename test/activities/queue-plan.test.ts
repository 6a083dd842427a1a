import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PlanResult } from '../../src/activities/plan';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { seedRollout, type SeededRollout } from '../support/fleet-fixture';

/** `on_newer: queue`: a rollout is not planned before no older one has any of its devices. */
const steps = [{ percent: 100 }];
const queued = { steps, onNewer: 'queue' as const };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

/** As after its workflow was started. */
async function accepted(tag: string, given: SeededRollout = {}): Promise<string> {
  const id = await seedRollout(rig.pool, { tag, ...given, rules: { ...queued, ...given.rules } });
  await rig.pool.query('update image_rollouts set dispatched_at = now() where id = $1', [id]);
  return id;
}
const plan = (rolloutId: string): Promise<PlanResult> => rig.act.planRollout({ rolloutId });
const end = (rolloutId: string) =>
  rig.act.finishRollout({ rolloutId, status: 'completed', reason: 'test', actor: 'test', error: null, hold: false });
const workflow = (tag: string): string => `rollout:docker.io/library/redis:${tag}`;

it('waits behind the older rollout that has its devices, saying which and how many, and goes when that has ended', async () => {
  await rig.devices([{}, {}, {}]);
  const older = await rig.planned({ tag: '1.1', rules: { steps } });
  const newer = await accepted('1.2');
  for (let time = 0; time < 2; time++)
    expect(await plan(newer)).toEqual({ outcome: 'queued', rolloutId: older, tag: '1.1', devices: 3 });
  expect(await rig.count('device_rollout_status where rollout_id = $1', [newer])).toBe(0);
  expect((await rig.states(older)).every(({ active }) => active === true)).toBe(true);
  await end(older);
  expect(await plan(newer)).toMatchObject({
    outcome: 'planned',
    batches: [{ number: 1, planned: 3 }],
    tookOverFrom: [],
  });
});

it('waits for no rollout of other devices, nor of another image', async () => {
  await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }]);
  await rig.devices([{ image: 'nginx:1' }]);
  await rig.planned({ tag: '1.1', rules: { steps }, selection: { fleetId: 'shops' } });
  await rig.planned({ image: 'docker.io/library/nginx', tag: '2', rules: { steps } });
  expect(await plan(await accepted('1.2', { selection: { fleetId: 'lab' } }))).toMatchObject({ outcome: 'planned' });
});

it('counts only the devices that both have', async () => {
  await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }]);
  const older = await rig.planned({ tag: '1.1', rules: { steps }, selection: { fleetId: 'shops' } });
  expect(await plan(await accepted('1.2'))).toEqual({ outcome: 'queued', rolloutId: older, tag: '1.1', devices: 1 });
});

it('does not wait for a rollout that a person may still refuse, nor for one that has let the devices go', async () => {
  await rig.devices([{}]);
  await rig.planned({ tag: '1.1', rules: { steps, requiresApproval: true } });
  const cancelled = await rig.planned({ tag: '1.2', rules: { steps } });
  await rig.act.applyBatch({ rolloutId: cancelled, batch: 1 });
  await rig.act.finishRollout({
    rolloutId: cancelled,
    status: 'cancelled',
    reason: 'test',
    actor: 'test',
    error: null,
    hold: false,
  });
  expect(await plan(await accepted('1.3'))).toMatchObject({ outcome: 'planned', tookOverFrom: [] });
});

it('a rollout that has ended meanwhile is not planned', async () => {
  await rig.devices([{}]);
  await rig.planned({ tag: '1.1', rules: { steps } });
  const newer = await accepted('1.2');
  await plan(newer);
  await end(newer);
  expect(await plan(newer)).toMatchObject({ outcome: 'ended', status: 'completed' });
});

describe('two that are queued', () => {
  it('go in the order in which they were accepted, whichever asks first', async () => {
    await rig.devices([{}, {}]);
    const running = await rig.planned({ tag: '1.1', rules: { steps } });
    const [second, third] = [await accepted('1.2'), await accepted('1.3')];
    expect(await plan(third)).toMatchObject({ outcome: 'queued', rolloutId: running });
    expect(await plan(second)).toMatchObject({ outcome: 'queued', rolloutId: running });
    await end(running);
    expect(await plan(third)).toMatchObject({ outcome: 'queued', rolloutId: second });
    expect(await plan(second)).toMatchObject({ outcome: 'planned', batches: [{ planned: 2 }] });
    expect(await plan(third)).toEqual({ outcome: 'queued', rolloutId: second, tag: '1.2', devices: 2 });
    await end(second);
    expect(await plan(third)).toMatchObject({ outcome: 'planned', batches: [{ planned: 2 }] });
  });

  it('of other devices do not wait for each other', async () => {
    await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }]);
    const running = await rig.planned({ tag: '1.1', rules: { steps }, selection: { fleetId: 'shops' } });
    const shops = await accepted('1.2', { selection: { fleetId: 'shops' } });
    expect(await plan(shops)).toMatchObject({ outcome: 'queued', rolloutId: running });
    expect(await plan(await accepted('1.3', { selection: { fleetId: 'lab' } }))).toMatchObject({ outcome: 'planned' });
  });
});

it('one that was approved waits for an older one that was approved before it, and takes nothing until that has ended', async () => {
  const [device = ''] = await rig.devices([{}]);
  const asking = { ...queued, requiresApproval: true };
  const [older, newer] = [await accepted('1.1', { rules: asking }), await accepted('1.2', { rules: asking })];
  for (const id of [older, newer]) expect(await plan(id)).toMatchObject({ outcome: 'planned' });
  expect(await rig.act.claimDevices({ rolloutId: older })).toEqual({ tookOverFrom: [], behind: null });
  for (let time = 0; time < 2; time++)
    expect(await rig.act.claimDevices({ rolloutId: newer })).toEqual({
      tookOverFrom: [],
      behind: { rolloutId: older, tag: '1.1', devices: 1 },
    });
  expect(await rig.states(older)).toMatchObject([{ device, status: 'pending', active: true }]);
  await rig.act.applyBatch({ rolloutId: older, batch: 1 });
  await rig.report(device, 'redis:1.1');
  await end(older);
  expect(await rig.act.claimDevices({ rolloutId: newer })).toEqual({ tookOverFrom: [], behind: null });
  expect(await rig.states(newer)).toMatchObject([{ device, status: 'pending', active: true }]);
});

it('an older rollout that is planned after a newer one leaves the newer one its devices', async () => {
  await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }]);
  const older = await accepted('1.1', { rules: { onNewer: 'supersede' } });
  const newer = await rig.planned({ tag: '1.2', rules: { steps }, selection: { fleetId: 'shops' } });
  expect(await plan(older)).toMatchObject({ outcome: 'planned', tookOverFrom: [] });
  expect(await rig.states(newer)).toMatchObject([{ status: 'pending', active: true }]);
  expect(await rig.states(older)).toMatchObject([
    { status: 'skipped', reason: 'a newer rollout has it by now', active: false },
    { status: 'pending', active: true },
  ]);
  expect((await rig.act.applyBatch({ rolloutId: older, batch: 1 })).batch).toEqual({ scheduled: 1 });
});

describe('finishRollout', () => {
  it('answers the queued rollouts of the image that have a workflow and no plan, oldest first', async () => {
    await rig.devices([{}]);
    const running = await rig.planned({ tag: '1.1', rules: { steps } });
    await accepted('1.2');
    await accepted('1.3');
    await accepted('1.4', { rules: { onNewer: 'supersede' } });
    await accepted('9', { image: 'docker.io/library/nginx' });
    await seedRollout(rig.pool, { tag: '1.5', rules: queued });
    await end(await accepted('1.6'));
    expect(await end(running)).toEqual([workflow('1.2'), workflow('1.3')]);
    expect(await end(running)).toEqual([workflow('1.2'), workflow('1.3')]);
  });
});
