import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createFreeze } from '../../src/db/freezes';
import type { MaintenanceWindow } from '../../src/domain/windows';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** A retry, and a batch, tell nobody outside of a device's window or in its fleet's freeze. */
const windows: MaintenanceWindow[] = [{ days: ['mon'], from: '01:00', to: '05:00', timezone: 'device' }];
const rules = { steps: [{ percent: 100 }], soakSeconds: 0, healthTimeoutSeconds: 60 };
const MONDAY = '2027-01-04';

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

const freeze = (fleetId: string | null) =>
  createFreeze(rig.pool, {
    ...{ reason: 'stocktaking', binds: 'all', imagePattern: null, fleetId, actor: 'test' },
    startsAt: new Date(`${MONDAY}T00:00:00Z`),
    endsAt: new Date(`${MONDAY}T20:00:00Z`),
  });
const status = async (rolloutId: string): Promise<unknown[]> =>
  (await rig.states(rolloutId)).map((state) => state['status']);
const retry = async (rolloutId: string, attempt: number | null = null) =>
  (await rig.act.retryDevices({ rolloutId, attempt })).told;
/** All devices are told, and fail. */
async function failed(rolloutId: string): Promise<string> {
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  for (const { device } of await rig.states(rolloutId)) await rig.report(String(device), 'redis:1.1', 'exited');
  expect(new Set(await status(rolloutId))).toEqual(new Set(['failed']));
  return rolloutId;
}

describe('retryDevices', () => {
  it('tells the failed devices again whose window is open, and leaves the others failed', async () => {
    await rig.setClock(`${MONDAY}T01:30:00Z`);
    await rig.devices([{ timezone: 'UTC' }, { timezone: 'UTC' }, { timezone: 'Europe/Berlin' }]);
    const rolloutId = await failed(await rig.planned({ tag: '1.1', rules: { ...rules, windows } }));
    await rig.setClock(`${MONDAY}T04:30:00Z`);
    expect(await retry(rolloutId)).toBe(2);
    expect(await status(rolloutId)).toEqual(['scheduled', 'scheduled', 'failed']);
    await rig.setClock(`${MONDAY}T05:00:00Z`);
    expect(await retry(rolloutId)).toBe(0);
  });

  it('tells nobody of a fleet that is frozen, and nobody at all in a freeze of everything', async () => {
    await rig.setClock(`${MONDAY}T10:00:00Z`);
    await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }, {}]);
    const rolloutId = await failed(await rig.planned({ tag: '1.1', rules }));
    await freeze('shops');
    await rig.setClock(`${MONDAY}T10:01:00Z`);
    expect(await retry(rolloutId)).toBe(2);
    expect(await status(rolloutId)).toEqual(['failed', 'scheduled', 'scheduled']);
    await freeze(null);
    await rig.setClock(`${MONDAY}T10:30:00Z`);
    await rig.act.readHealth({ rolloutId, batch: null, soakSeconds: null });
    expect(await status(rolloutId)).toEqual(['failed', 'unreachable', 'unreachable']);
    expect(await retry(rolloutId)).toBe(0);
  });

  it('gives each device as many tries as are asked for, and asks none that refuses', async () => {
    const [refuses = '', fails = ''] = await rig.devices([{}, {}]);
    const rolloutId = await failed(await rig.planned({ tag: '1.1', rules }));
    await rig.pool.query(
      `update device_rollout_status set reason = 'rejected: not on battery' where device_uuid = $1`,
      [refuses],
    );
    expect(await retry(rolloutId, 2)).toBe(1);
    await rig.report(fails, 'redis:1.1', 'exited');
    expect(await retry(rolloutId, 2)).toBe(0);
    expect(await retry(rolloutId, 3)).toBe(1);
    expect((await rig.states(rolloutId)).map(({ tries, version }) => [tries, version])).toEqual([
      [1, 4],
      [3, 6],
    ]);
  });

  it('tells nobody while the rollout is paused', async () => {
    await rig.devices([{}]);
    const rolloutId = await failed(await rig.planned({ tag: '1.1', rules }));
    await rig.act.recordProgress({ rolloutId, seq: 1, status: 'paused', progress: {}, events: [] });
    expect(await retry(rolloutId)).toBe(0);
  });
});

describe('a freeze of a fleet', () => {
  it('keeps its devices in the batch and says why and until when; the others are told', async () => {
    await rig.setClock(`${MONDAY}T10:00:00Z`);
    await rig.devices([{ fleetId: 'shops' }, { fleetId: 'lab' }, {}, { fleetId: 'shops' }]);
    await freeze('shops');
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    const held = { kind: 'freeze', devices: 2, until: `${MONDAY}T20:00:00.000Z`, reason: 'stocktaking' };
    expect(await rig.act.applyBatch({ rolloutId, batch: 1 })).toMatchObject({
      done: true,
      held,
      batch: { pending: 2, scheduled: 2 },
    });
    expect(await status(rolloutId)).toEqual(['pending', 'scheduled', 'scheduled', 'pending']);
    await rig.setClock(`${MONDAY}T20:00:00Z`);
    expect(await rig.act.applyBatch({ rolloutId, batch: 1 })).toMatchObject({ held: null, batch: { scheduled: 4 } });
  });

  it('and a window together: what may go next is said of that which ends first', async () => {
    await rig.setClock(`${MONDAY}T00:30:00Z`);
    await rig.devices([{ fleetId: 'shops' }, {}, {}]);
    await freeze('shops');
    const rolloutId = await rig.planned({ tag: '1.1', rules: { ...rules, windows } });
    expect((await rig.act.applyBatch({ rolloutId, batch: 1 })).held).toEqual({
      ...{ kind: 'window', devices: 2, until: `${MONDAY}T01:00:00.000Z`, reason: null },
    });
    await rig.setClock(`${MONDAY}T01:00:00Z`);
    expect(await rig.act.applyBatch({ rolloutId, batch: 1 })).toMatchObject({
      held: { kind: 'freeze', devices: 1 },
      batch: { pending: 1, scheduled: 2 },
    });
  });
});
