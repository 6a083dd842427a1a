import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { endLost } from '../../src/db/lost-rollouts';
import { readDevicePart, readLeftToPutBack } from '../../src/db/put-back-facts';
import { acceptReport } from '../support/one-report';
import { restoreChunk, TOLD } from '../../src/db/restore';
import type { FinalStatus } from '../../src/domain/rollout-states';
import { inTransaction } from '../../src/db/transaction';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

const activities = () => createActivities({ pool: database.pool, chunkSize: 2 });
const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
  new MockActivityEnvironment().run(activity, ...args);
const rules = { strategy: 'auto' as const, steps: [{ percent: 100 }], soakSeconds: 0 };

async function told(tag: string): Promise<string> {
  const rolloutId = await seedRollout(database.pool, { tag, rules });
  await run(activities().planRollout, { rolloutId });
  await run(activities().applyBatch, { rolloutId, batch: 1 });
  return rolloutId;
}
const end = (rolloutId: string, status: FinalStatus) =>
  run(activities().finishRollout, { rolloutId, status, reason: 'test', actor: 'test', error: null, hold: false });

async function report(device: string, tag: string, status = 'running'): Promise<void> {
  const services = [{ serviceId: 1, serviceName: 'redis', imageName: `redis:${tag}`, status }];
  await acceptReport(database.pool, { deviceUuid: device, apps: { '1002': { services } }, version: null, info: {} });
}

/** A rollout to `tag` that ended, with all of its devices healthy unless they are said to have failed. */
async function ended(tag: string, status: FinalStatus = 'completed', failing: string[] = []): Promise<string> {
  const rolloutId = await told(tag);
  for (const { device } of await deviceRows(database.pool, rolloutId))
    await report(device, tag, failing.includes(device) ? 'exited' : 'running');
  await end(rolloutId, status);
  return rolloutId;
}

const reopen = (rolloutId: string, runId = 'run-1') =>
  run(activities().reopenRollout, {
    ...{ rolloutId, runId },
    ...{ workflowId: `rollback:${rolloutId}`, reason: 'too slow', actor: 'ana' },
  });
const restore = (rolloutId: string) => run(activities().restoreDevices, { rolloutId, reason: 'test', actor: 'test' });
const putBack = (rolloutId: string, deviceUuid: string) =>
  run(activities().putBackDevice, { rolloutId, deviceUuid, reason: 'too slow', actor: 'ana' });
const readPutBack = (rolloutId: string, deviceUuid: string, giveUp: string | null = null) =>
  run(activities().readPutBack, { rolloutId, deviceUuid, giveUp });

async function images(): Promise<unknown[]> {
  const found = await database.pool.query<{ image: unknown }>(
    `select apps #> '{1002,services,0,imageName}' as image from device_target_state order by device_uuid`,
  );
  return found.rows.map((row) => row.image);
}
async function edit(device: string, image: string): Promise<void> {
  await database.pool.query('update device_target_state set apps = $2, version = version + 1 where device_uuid = $1', [
    device,
    appWith(image),
  ]);
}
async function row(rolloutId: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query('select * from image_rollouts where id = $1', [rolloutId]);
  return rows[0] as Record<string, unknown>;
}
async function events(rolloutId: string, type: string): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    'select actor, reason, device_uuid, data from rollout_events where rollout_id = $1 and type = $2 order by id',
    [rolloutId, type],
  );
  return rows;
}
const standings = async (rolloutId: string) =>
  (await deviceRows(database.pool, rolloutId)).map((device) => [device.status, device.active]);
async function fleet(count: number, tagOf: (index: number) => string = () => '7.0'): Promise<string[]> {
  const devices = await seedDevices(database.pool, count, (index) => appWith(`redis:${tagOf(index)}`));
  return devices.map((device) => device.uuid).sort();
}

describe('a rollout is reopened', () => {
  it('with its devices, under the new workflow, once; each goes back to its own previous image', async () => {
    await seedDevices(database.pool, 5, (index) => appWith(`redis:7.${String(index)}`));
    const before = await images();
    const rolloutId = await ended('7.5');
    for (let time = 0; time < 2; time++)
      expect(await reopen(rolloutId)).toEqual({
        ...{ outcome: 'reopened', rollbackTimeoutSeconds: 600 },
        ...{ alreadyOnTarget: 0, leftOut: 0 },
      });
    expect(await row(rolloutId)).toMatchObject({
      ...{ status: 'rolling_back', ended_at: null, reason: 'too slow' },
      ...{ workflow_id: `rollback:${rolloutId}`, run_id: 'run-1' },
    });
    expect(await events(rolloutId, 'rollout.reopened')).toEqual([
      {
        ...{ actor: 'ana', reason: 'too slow', device_uuid: null },
        data: expect.objectContaining({ from: 'completed', devices: 5, left_to_newer: 0 }),
      },
    ]);
    expect(await standings(rolloutId)).toEqual(Array(5).fill(['completed', true]));
    for (let time = 0; time < 2; time++) await restore(rolloutId);
    expect(await images()).toEqual(before);
    expect((await deviceRows(database.pool, rolloutId)).map((device) => device.version)).toEqual(Array(5).fill(5));
  });

  it('whatever it ended as; one that is rolled back is not', async () => {
    await fleet(2);
    const rolloutId = await ended('7.5', 'cancelled');
    expect(await reopen(rolloutId)).toMatchObject({ outcome: 'reopened' });
    await end(rolloutId, 'rolled_back');
    expect(await reopen(rolloutId)).toMatchObject({ outcome: 'left', status: 'rolled_back' });
    expect(await reopen(rolloutId, 'run-2')).toMatchObject({ outcome: 'left', why: 'it is rolled back already' });
    expect(await row(rolloutId)).toMatchObject({ status: 'rolled_back', run_id: 'run-1' });
  });

  it('not by a run in whose hands it was ended meanwhile, but by the next one', async () => {
    await fleet(2);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    await endLost(database.pool, rolloutId, 'its workflow was terminated');
    expect(await row(rolloutId)).toMatchObject({ status: 'failed', error: expect.stringContaining('/rollback') });
    expect(await reopen(rolloutId)).toMatchObject({ outcome: 'left', status: 'failed' });
    expect(await reopen(rolloutId, 'run-2')).toMatchObject({ outcome: 'reopened' });
  });

  it('and is nothing that its old workflow could go on with', async () => {
    await fleet(2);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    expect(await run(activities().planRollout, { rolloutId })).toEqual({ outcome: 'ended', status: 'rolling_back' });
  });
});

describe('what is left alone', () => {
  it('a device that a newer rollout has, and one whose target an operator changed', async () => {
    const [taken = '', edited = ''] = await fleet(3);
    const rolloutId = await ended('7.5');
    const newer = await seedRollout(database.pool, { tag: '7.6', rules, selection: { deviceUuids: [taken] } });
    await run(activities().planRollout, { rolloutId: newer });
    await edit(edited, 'redis:7.1');
    expect(await readLeftToPutBack(database.pool, rolloutId)).toEqual({
      ...{ any: true, told: 2 },
      ...{ leftToNewer: 1, alreadyBack: 0 },
    });
    await reopen(rolloutId);
    await restore(rolloutId);
    expect(await images()).toEqual(['redis:7.5', 'redis:7.1', 'redis:7.0']);
    expect((await deviceRows(database.pool, rolloutId)).map((one) => [one.status, one.reason, one.active])).toEqual([
      ['completed', 'a newer rollout has it', false],
      ['superseded', 'its target was changed by someone else: left alone', false],
      ['rolling_back', null, true],
    ]);
    expect(await standings(newer)).toEqual([['pending', true]]);
  });

  it('everything, where nothing is left to put back: the rollout stays as it ended', async () => {
    const devices = await fleet(2);
    const rolloutId = await ended('7.5');
    for (const device of devices) await edit(device, 'redis:7.1');
    expect(await reopen(rolloutId)).toEqual({
      ...{ outcome: 'left', status: 'completed' },
      why: 'no device holds what it wrote: 2 changed by someone else since',
    });
    expect(await row(rolloutId)).toMatchObject({
      status: 'completed',
      workflow_id: expect.stringMatching(/^rollout:/),
    });
  });
});

describe('a newer rollout while an ended one is put back', () => {
  it('takes its devices over, those already put back and those not yet, and would go back to what was before both', async () => {
    const devices = await fleet(3);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    await inTransaction(database.pool, (client) =>
      restoreChunk(client, rolloutId, 1, { statuses: TOLD, devices: devices.slice(0, 1) }),
    );
    expect(await standings(rolloutId)).toEqual([
      ['rolling_back', true],
      ['completed', true],
      ['completed', true],
    ]);
    const newer = await told('7.6');
    expect(await standings(rolloutId)).toEqual(Array(3).fill(['superseded', false]));
    expect(await standings(newer)).toEqual(Array(3).fill(['scheduled', true]));
    await restore(rolloutId);
    expect(await images()).toEqual(Array(3).fill('redis:7.6'));
    await restore(newer);
    expect(await images()).toEqual(Array(3).fill('redis:7.0'));
  });

  it('of the same tag tells also those that still hold the tag', async () => {
    await fleet(2);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    const newer = await told('7.5');
    expect(await standings(newer)).toEqual(Array(2).fill(['scheduled', true]));
    await restore(newer);
    expect(await images()).toEqual(Array(2).fill('redis:7.0'));
  });
});

describe('a rollback that was not confirmed', () => {
  it('is told once more: a new version of the same target; and may then be confirmed', async () => {
    const [first = '', second = ''] = await fleet(2);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    await restore(rolloutId);
    await report(first, '7.0');
    await run(activities().readRollback, { rolloutId, deadlinePassed: true });
    await end(rolloutId, 'failed');
    expect(await standings(rolloutId)).toEqual([
      ['rolled_back', false],
      ['rollback_failed', false],
    ]);
    for (let time = 0; time < 2; time++) await reopen(rolloutId, 'run-2');
    await restore(rolloutId);
    const rows = await deviceRows(database.pool, rolloutId);
    expect(rows.map((one) => [one.status, one.active, one.version])).toEqual([
      ['rolled_back', false, 5],
      ['rolling_back', true, 6],
    ]);
    expect(await images()).toEqual(['redis:7.0', 'redis:7.0']);
    await report(second, '7.0');
    expect(await standings(rolloutId)).toEqual([
      ['rolled_back', false],
      ['rolled_back', true],
    ]);
  });

  it('because it was cancelled is taken up again, unless a newer rollout has the device or somebody changed it', async () => {
    const [taken = '', edited = ''] = await fleet(3);
    const rolloutId = await ended('7.5');
    await reopen(rolloutId);
    await restore(rolloutId);
    await end(rolloutId, 'cancelled');
    const newer = await seedRollout(database.pool, { tag: '7.6', rules, selection: { deviceUuids: [taken] } });
    await run(activities().planRollout, { rolloutId: newer });
    await edit(edited, 'redis:7.1');
    await reopen(rolloutId, 'run-2');
    expect((await deviceRows(database.pool, rolloutId)).map((one) => [one.status, one.reason, one.active])).toEqual([
      ['superseded', 'a newer rollout has it', false],
      ['superseded', 'its target was changed by someone else: left alone', false],
      ['rolling_back', null, true],
    ]);
  });
});

it('devices of a superseded rollout that nobody has taken are put back', async () => {
  await fleet(2);
  const rolloutId = await told('7.5');
  await end(rolloutId, 'superseded');
  expect(await standings(rolloutId)).toEqual(Array(2).fill(['superseded', true]));
  await reopen(rolloutId);
  await restore(rolloutId);
  expect(await standings(rolloutId)).toEqual(Array(2).fill(['rolling_back', true]));
  expect(await images()).toEqual(['redis:7.0', 'redis:7.0']);
});

describe('one device of an ended rollout', () => {
  it('is put back alone, once, and let go of when it confirms; the rollout stays as it ended', async () => {
    const [one = '', other = ''] = await fleet(2);
    const rolloutId = await ended('7.5', 'completed', [other]);
    for (let time = 0; time < 2; time++) expect(await putBack(rolloutId, one)).toEqual({ timeoutSeconds: 600 });
    expect(await images()).toEqual(['redis:7.0', 'redis:7.5']);
    expect(await events(rolloutId, 'device.rollback_requested')).toEqual([
      { actor: 'ana', reason: 'too slow', device_uuid: one, data: {} },
    ]);
    expect(await readPutBack(rolloutId, one)).toEqual({ status: 'rolling_back', reason: null });
    await report(one, '7.0');
    for (let time = 0; time < 2; time++)
      expect(await readPutBack(rolloutId, one)).toEqual({ status: 'rolled_back', reason: null });
    expect(await standings(rolloutId)).toEqual([
      ['rolled_back', false],
      ['failed', true],
    ]);
    expect(await row(rolloutId)).toMatchObject({ status: 'completed', ended_at: expect.any(Date) });
    expect((await database.pool.query('select 1 from image_holds')).rowCount).toBe(0);
  });

  it('that does not confirm in time is rollback_failed, and may be asked for again', async () => {
    const [one = ''] = await fleet(1);
    const rolloutId = await ended('7.5');
    await putBack(rolloutId, one);
    for (let time = 0; time < 2; time++)
      expect(await readPutBack(rolloutId, one, 'too late')).toEqual({ status: 'rollback_failed', reason: 'too late' });
    expect(await events(rolloutId, 'device.rollback_failed')).toHaveLength(1);
    expect(await readDevicePart(database.pool, rolloutId, one)).toMatchObject({
      status: 'rollback_failed',
      held: true,
    });
    await putBack(rolloutId, one);
    expect(await standings(rolloutId)).toEqual([['rolling_back', true]]);
  });

  it('that a newer rollout takes meanwhile is left to it', async () => {
    const [one = ''] = await fleet(1);
    const rolloutId = await ended('7.5');
    await putBack(rolloutId, one);
    await told('7.6');
    expect(await readPutBack(rolloutId, one)).toEqual({
      status: 'superseded',
      reason: 'taken over by a newer rollout',
    });
    expect(await images()).toEqual(['redis:7.6']);
  });

  it('whose target was changed is left alone, and its rollout is reopened without it', async () => {
    const [one = ''] = await fleet(2);
    const rolloutId = await ended('7.5');
    await edit(one, 'redis:7.1');
    expect(await readDevicePart(database.pool, rolloutId, one)).toMatchObject({ held: false, leftToNewer: false });
    await putBack(rolloutId, one);
    expect(await readPutBack(rolloutId, one)).toEqual({
      status: 'superseded',
      reason: 'its target was changed by someone else: left alone',
    });
    expect(await images()).toEqual(['redis:7.1', 'redis:7.5']);
  });

  it('is part of a rollback of the whole rollout that comes meanwhile', async () => {
    const [one = ''] = await fleet(2);
    const rolloutId = await ended('7.5');
    await putBack(rolloutId, one);
    await reopen(rolloutId);
    await restore(rolloutId);
    expect(await readPutBack(rolloutId, one, 'too late')).toEqual({ status: 'rolling_back', reason: null });
    expect((await deviceRows(database.pool, rolloutId)).map((each) => [each.status, each.version])).toEqual([
      ['rolling_back', 5],
      ['rolling_back', 5],
    ]);
  });
});
