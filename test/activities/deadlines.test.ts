import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MaintenanceWindow } from '../../src/domain/windows';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** Each device has its own deadline, from the moment at which it was told; a pause moves all of them by its length. */
const windows: MaintenanceWindow[] = [{ days: ['mon'], from: '01:00', to: '05:00', timezone: 'device' }];
const rules = { steps: [{ percent: 100 }], soakSeconds: 100, healthTimeoutSeconds: 300 };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

const at = (time: string): Promise<void> => rig.setClock(`2027-01-04T${time}Z`);
const look = (rolloutId: string) => rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: null });
async function pause(rolloutId: string, seq: number, from: string, to: string): Promise<void> {
  await at(from);
  await rig.act.recordProgress({ rolloutId, seq, status: 'paused', progress: {}, events: [] });
  await at(to);
  await rig.act.recordProgress({ rolloutId, seq: seq + 1, status: 'in_progress', progress: {}, events: [] });
}

it('devices of a batch that were told at different times are late each at its own', async () => {
  await at('00:00:00');
  await rig.devices([{ timezone: 'Europe/Berlin' }, { timezone: 'UTC' }]);
  const rolloutId = await rig.planned({ tag: '1.1', rules: { ...rules, windows } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await at('00:04:59');
  expect(await look(rolloutId)).toMatchObject({ batch: { scheduled: 1, pending: 1 }, deadlineSeconds: 1 });
  await at('00:05:00');
  expect(await look(rolloutId)).toMatchObject({ batch: { unreachable: 1, pending: 1 }, deadlineSeconds: null });
  await at('01:00:00');
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await look(rolloutId)).toMatchObject({ batch: { unreachable: 1, scheduled: 1 }, deadlineSeconds: 300 });
  await at('01:05:00');
  expect((await look(rolloutId)).batch).toEqual({ unreachable: 2 });
});

it('one that was told again has its time anew', async () => {
  await at('10:00:00');
  await rig.devices([{}, {}]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await at('10:05:00');
  await look(rolloutId);
  expect(await rig.act.retryDevices({ rolloutId, attempt: 2 })).toMatchObject({ told: 2 });
  expect(await look(rolloutId)).toMatchObject({ batch: { scheduled: 2 }, deadlineSeconds: 300 });
  await at('10:10:00');
  expect((await look(rolloutId)).batch).toEqual({ unreachable: 2 });
});

it('what began to soak in time may finish after its deadline', async () => {
  await at('10:00:00');
  const [device = ''] = await rig.devices([{}]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await at('10:04:59');
  await rig.report(device, 'redis:1.1');
  await at('10:06:38');
  expect(await look(rolloutId)).toEqual({ ...both({ health_checking: 1 }), soakDueSeconds: 1, deadlineSeconds: null });
  await at('10:06:39');
  expect((await look(rolloutId)).batch).toEqual({ completed: 1 });
});

const both = <Counts>(batch: Counts): { batch: Counts; overall: Counts } => ({ batch, overall: batch });

describe('a pause moves soaks and deadlines on by its length', () => {
  it('of what was told before it', async () => {
    await at('10:00:00');
    const [soaks = ''] = await rig.devices([{}, {}]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await at('10:01:00');
    await rig.report(soaks, 'redis:1.1');
    await pause(rolloutId, 1, '10:02:00', '12:02:00');
    // Of 300 s 180 are left, of the soak's 100 s 40.
    expect(await look(rolloutId)).toMatchObject({ soakDueSeconds: 40, deadlineSeconds: 180 });
    await at('12:05:00');
    expect((await look(rolloutId)).batch).toEqual({ completed: 1, unreachable: 1 });
  });

  it('stands still for as long as it lasts, however often it is looked at', async () => {
    await at('10:00:00');
    await rig.devices([{}]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await at('10:04:00');
    await rig.act.recordProgress({ rolloutId, seq: 1, status: 'paused', progress: {}, events: [] });
    await at('18:00:00');
    expect(await look(rolloutId)).toMatchObject({ batch: { scheduled: 1 }, deadlineSeconds: 60 });
  });

  it('of what became healthy while it lasted only by what was left of it', async () => {
    await at('10:00:00');
    const [device = ''] = await rig.devices([{}]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await at('10:01:00');
    await rig.act.recordProgress({ rolloutId, seq: 1, status: 'paused', progress: {}, events: [] });
    await at('10:31:00');
    await rig.report(device, 'redis:1.1');
    await at('11:01:00');
    await rig.act.recordProgress({ rolloutId, seq: 2, status: 'in_progress', progress: {}, events: [] });
    expect(await look(rolloutId)).toMatchObject({ batch: { health_checking: 1 }, soakDueSeconds: 100 });
  });

  it('once for each pause, also when its end is recorded twice', async () => {
    await at('10:00:00');
    await rig.devices([{}]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await pause(rolloutId, 1, '10:01:00', '10:11:00');
    await rig.act.recordProgress({ rolloutId, seq: 2, status: 'in_progress', progress: {}, events: [] });
    await pause(rolloutId, 3, '10:12:00', '10:32:00');
    // Told at 10:00, a minute ran before each pause: 180 s are left.
    expect(await look(rolloutId)).toMatchObject({ deadlineSeconds: 180 });
  });

  it('of a device that is being put back alone too', async () => {
    await at('10:00:00');
    const [device = ''] = await rig.devices([{}]);
    const rolloutId = await rig.planned({ tag: '1.1', rules: { ...rules, rollbackTimeoutSeconds: 60 } });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await rig.act.excludeDevices({ rolloutId, devices: [device], reason: 'test', actor: 'test' });
    await pause(rolloutId, 1, '10:00:30', '11:00:30');
    expect(await look(rolloutId)).toMatchObject({ batch: { rolling_back: 1 }, deadlineSeconds: 30 });
  });
});

it('one that fetches its target and is not heard again went silent; one that is heard to the end is late', async () => {
  await at('10:00:00');
  const [bricked = '', late = ''] = await rig.devices([{}, {}]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await at('10:02:00');
  for (const device of [bricked, late]) await rig.seen(device, 0);
  await at('10:04:00');
  await rig.seen(late, 0);
  await at('10:05:00');
  expect((await look(rolloutId)).batch).toEqual({ unreachable: 1, timed_out: 1 });
  const reasons = new Map((await rig.states(rolloutId)).map((state) => [state['device'], state['reason']]));
  expect(reasons.get(bricked)).toBe('went silent after it fetched its target');
  expect(reasons.get(late)).toBe('not healthy in time: it fetched its target but reported nothing');
});
