import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** `advance {"to": "all"}`: what is left of the plan becomes one batch. */
const rules = {
  steps: [{ count: 1 }, { count: 2, approval: true, delaySeconds: 60, soakSeconds: 5 }, { count: 1 }, { percent: 100 }],
  soakSeconds: 0,
};

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

const merge = (rolloutId: string) => rig.act.mergeBatches({ rolloutId, actor: 'ana' });
const batches = async (rolloutId: string): Promise<unknown[]> =>
  (
    await rig.pool.query('select number, planned, status from rollout_batches where rollout_id = $1 order by number', [
      rolloutId,
    ])
  ).rows;
async function planned(devices: number): Promise<string> {
  await rig.devices(Array.from({ length: devices }, () => ({})));
  return rig.planned({ tag: '1.1', rules });
}
const merged = { number: 2, planned: 5, requiresApproval: false, delaySeconds: 0, soakSeconds: null };

it('is the first of those that have not started, with the devices of all, without their gates and times', async () => {
  const rolloutId = await planned(6);
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  expect(await merge(rolloutId)).toEqual(merged);
  expect(await batches(rolloutId)).toEqual([
    { number: 1, planned: 1, status: 'in_progress' },
    { number: 2, planned: 5, status: 'pending' },
  ]);
  expect((await rig.act.applyBatch({ rolloutId, batch: 2 })).batch).toEqual({ scheduled: 5 });
});

it('done twice is done once', async () => {
  const rolloutId = await planned(6);
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await merge(rolloutId);
  expect(await merge(rolloutId)).toEqual(merged);
  expect(await rig.count(`rollout_events where type = 'rollout.batches_merged' and actor = 'ana'`)).toBe(1);
});

it('is null when every batch has started, and leaves those alone', async () => {
  const rolloutId = await planned(2);
  for (const batch of [1, 2]) await rig.act.applyBatch({ rolloutId, batch });
  const before = await batches(rolloutId);
  expect(await merge(rolloutId)).toBeNull();
  expect(await batches(rolloutId)).toEqual(before);
});

it('may be done before the first batch, and a plan that is read again is the merged one', async () => {
  const rolloutId = await planned(6);
  expect(await merge(rolloutId)).toMatchObject({ number: 1, planned: 6 });
  expect(await rig.act.planRollout({ rolloutId })).toMatchObject({
    batches: [{ number: 1, planned: 6, requiresApproval: false }],
  });
});

it('leaves waves alone', async () => {
  const [away = ''] = await rig.devices([{ seenSecondsAgo: 1000 }]);
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  await rig.seen(away, 0);
  await rig.act.nextWave({ rolloutId });
  expect(await merge(rolloutId)).toBeNull();
  expect(await batches(rolloutId)).toMatchObject([{ number: 1 }, { number: 2, status: 'pending' }]);
});

it('a device of a merged batch that is being put back keeps its batch’s place, and its deadline', async () => {
  await rig.setClock('2027-01-01T00:00:00Z');
  await rig.devices([{}, {}, {}, {}, {}]);
  const older = await rig.planned({ tag: '1.0.1', rules: { steps: [{ percent: 100 }] } });
  await rig.act.applyBatch({ rolloutId: older, batch: 1 });
  // Taken over unproven: excluded before its turn, it is put back to what it held before both.
  const rolloutId = await rig.planned({ tag: '1.1', rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  const last = (await rig.states(rolloutId)).find(({ batch }) => batch === 4);
  expect(
    await rig.act.excludeDevices({ rolloutId, devices: [String(last?.['device'])], reason: 'test', actor: 'test' }),
  ).toEqual({ skipped: 0, putBack: 1 });
  expect(await merge(rolloutId)).toMatchObject({ number: 2 });
  await rig.setClock('2027-01-01T01:00:00Z');
  const { overall } = await rig.act.readHealth({ rolloutId, batch: null, soakSeconds: null });
  expect(overall).toMatchObject({ rollback_failed: 1 });
});
