import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { MaintenanceWindow } from '../../src/domain/windows';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** A fleet in three zones, told by the real activities, with the database's clock at chosen moments. */
const ZONES = ['Asia/Tokyo', 'Europe/Berlin', 'America/New_York'];
const nightly = (timezone: string): MaintenanceWindow[] => [
  { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '01:00', to: '05:00', timezone },
];

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

/** What a rollout tells at a moment, by zone, and until when it waits for the others. */
async function fleet(windows: MaintenanceWindow[], plannedAt: string, zones = ZONES) {
  await rig.setClock(plannedAt);
  const uuids = await rig.devices(zones.flatMap((timezone) => [{ timezone }, { timezone }]));
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], windows } });
  return async (moment: string): Promise<{ told: string[]; until: string | null; waiting: number }> => {
    await rig.setClock(moment);
    const before = new Set(
      (await rig.states(rolloutId)).flatMap(({ status, device }) => (status === 'pending' ? [device] : [])),
    );
    const { held, done, batch } = await rig.act.applyBatch({ rolloutId, batch: 1 });
    expect(done).toBe(true);
    const told = (await rig.states(rolloutId)).filter(
      ({ device, status }) => status === 'scheduled' && before.has(device),
    );
    const where = told.map(({ device }) => zones[Math.floor(uuids.indexOf(String(device)) / 2)] ?? '');
    expect(held?.devices ?? 0).toBe(batch.pending ?? 0);
    return { told: [...new Set(where)], until: held?.until ?? null, waiting: batch.pending ?? 0 };
  };
}

describe('a window 01:00-05:00 by the clock of each device tells exactly the devices whose night it is', () => {
  it('on the last Sunday of March 2027, when Berlin has no hour from 02:00 to 03:00', async () => {
    const at = await fleet(nightly('device'), '2027-03-27T15:00:00Z');
    // Tokyo 00:59 and 01:00 (no daylight saving time, UTC+9).
    expect(await at('2027-03-27T15:59:59.999Z')).toEqual({ told: [], until: '2027-03-27T16:00:00.000Z', waiting: 6 });
    expect(await at('2027-03-27T16:00:00Z')).toEqual({
      told: ['Asia/Tokyo'],
      until: '2027-03-28T00:00:00.000Z',
      waiting: 4,
    });
    // Berlin 00:59:59 and 01:00, still UTC+1; New York has had UTC-4 for two weeks, so it opens at 05:00Z.
    expect(await at('2027-03-27T23:59:59.999Z')).toMatchObject({ told: [], until: '2027-03-28T00:00:00.000Z' });
    expect(await at('2027-03-28T00:00:00Z')).toEqual({
      told: ['Europe/Berlin'],
      until: '2027-03-28T05:00:00.000Z',
      waiting: 2,
    });
    expect(await at('2027-03-28T04:59:59.999Z')).toMatchObject({ told: [], until: '2027-03-28T05:00:00.000Z' });
    expect(await at('2027-03-28T05:00:00Z')).toEqual({ told: ['America/New_York'], until: null, waiting: 0 });
  });

  it('and that night closes in Berlin an hour earlier by UTC: a device that missed it waits for the next one', async () => {
    const at = await fleet(nightly('device'), '2027-03-28T02:59:00Z', ['Europe/Berlin']);
    // 05:00 by the summer clock is 03:00Z, three hours after it opened; the next 01:00 is at 23:00Z.
    expect(await at('2027-03-28T03:00:00Z')).toEqual({ told: [], until: '2027-03-28T23:00:00.000Z', waiting: 2 });
    expect(await at('2027-03-28T22:59:59.999Z')).toMatchObject({ told: [] });
    expect(await at('2027-03-28T23:00:00Z')).toMatchObject({ told: ['Europe/Berlin'], until: null });
  });

  it('on the last Sunday of October 2027, when Berlin has the hour from 02:00 to 03:00 twice', async () => {
    const at = await fleet(nightly('device'), '2027-10-30T15:30:00Z');
    expect(await at('2027-10-30T16:00:00Z')).toEqual({
      told: ['Asia/Tokyo'],
      until: '2027-10-30T23:00:00.000Z',
      waiting: 4,
    });
    // Berlin opens at 01:00 by the summer clock.
    expect(await at('2027-10-30T22:59:59.999Z')).toMatchObject({ told: [] });
    expect(await at('2027-10-30T23:00:00Z')).toEqual({
      told: ['Europe/Berlin'],
      until: '2027-10-31T05:00:00.000Z',
      waiting: 2,
    });
    // New York goes back a week later.
    expect(await at('2027-10-31T05:00:00Z')).toEqual({ told: ['America/New_York'], until: null, waiting: 0 });
  });

  it('and stays open in Berlin through both of those hours, until 05:00 by the winter clock', async () => {
    const at = await fleet(nightly('device'), '2027-10-31T03:59:00Z', ['Europe/Berlin']);
    expect(await at('2027-10-31T03:59:59.999Z')).toMatchObject({ told: ['Europe/Berlin'] });
    await rig.pool.query('truncate devices, image_rollouts cascade');
    const closed = await fleet(nightly('device'), '2027-10-31T03:59:00Z', ['Europe/Berlin']);
    expect(await closed('2027-10-31T04:00:00Z')).toEqual({ told: [], until: '2027-11-01T00:00:00.000Z', waiting: 2 });
  });
});

it('a window in a zone of its own opens for the whole fleet at one moment', async () => {
  const at = await fleet(nightly('Europe/Berlin'), '2027-03-27T15:00:00Z');
  expect(await at('2027-03-27T16:00:00Z')).toEqual({ told: [], until: '2027-03-28T00:00:00.000Z', waiting: 6 });
  expect(await at('2027-03-28T00:00:00Z')).toEqual({ told: [...ZONES], until: null, waiting: 0 });
});

it('a device without a zone goes by UTC', async () => {
  await rig.setClock('2027-03-28T00:30:00Z');
  await rig.devices([{}]);
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], windows: nightly('device') } });
  expect((await rig.act.applyBatch({ rolloutId, batch: 1 })).held).toMatchObject({
    kind: 'window',
    until: '2027-03-28T01:00:00.000Z',
  });
  await rig.setClock('2027-03-28T01:00:00Z');
  expect(await rig.act.applyBatch({ rolloutId, batch: 1 })).toMatchObject({ held: null, batch: { scheduled: 1 } });
});

it('a batch of which nobody may be told has not begun, and a window that closes leaves the rest where they are', async () => {
  await rig.setClock('2027-03-27T15:00:00Z');
  await rig.devices([{ timezone: 'Asia/Tokyo' }, { timezone: 'Europe/Berlin' }]);
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], windows: nightly('device') } });
  const begun = () => rig.count('rollout_batches where rollout_id = $1 and started_at is not null', [rolloutId]);
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await begun()).toBe(0);
  await rig.setClock('2027-03-27T16:00:00Z');
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await begun()).toBe(1);
  await rig.setClock('2027-03-28T03:00:00Z');
  const late = await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(late).toMatchObject({ done: true, held: { devices: 1, until: '2027-03-28T23:00:00.000Z' } });
  expect((await rig.targets()).filter((image) => image === 'redis:1.0')).toHaveLength(1);
});
