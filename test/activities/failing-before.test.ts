import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { evidenceOf } from '../../src/domain/verdict';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';

/** The baseline: a device that was failing before neither blocks nor blames the release. */
const rules = { steps: [{ percent: 100 }], soakSeconds: 0 };

let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig();
});
afterEach(() => rig.drop());

async function told(tag: string): Promise<string> {
  const rolloutId = await rig.planned({ tag, rules });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return rolloutId;
}
const counts = async (rolloutId: string) =>
  (await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: null })).batch;

describe('a device that was failing when it was told', () => {
  it('and goes on failing is counted apart, and is no evidence against the release', async () => {
    const [broken = '', well = '', breaks = ''] = await rig.devices([
      { reports: 'exited' },
      { reports: 'running' },
      {},
    ]);
    const rolloutId = await told('1.1');
    expect((await rig.states(rolloutId)).map(({ failingBefore }) => failingBefore)).toEqual([true, false, false]);
    for (const device of [broken, breaks]) await rig.report(device, 'redis:1.1', 'exited');
    await rig.report(well, 'redis:1.1');
    const seen = await counts(rolloutId);
    expect(seen).toEqual({ failing_before: 1, completed: 1, failed: 1 });
    expect(evidenceOf(seen)).toMatchObject({ attempted: 2, healthy: 1, failures: 1, settled: 2 });
  });

  it('and is late is counted apart as well', async () => {
    await rig.setClock('2027-01-01T00:00:00Z');
    await rig.devices([{ reports: 'dead' }, {}]);
    const rolloutId = await told('1.1');
    await rig.setClock('2027-01-01T00:05:00Z');
    expect(await counts(rolloutId)).toEqual({ failing_before: 1, unreachable: 1 });
  });

  it('and is mended by the release is healthy', async () => {
    const [broken = ''] = await rig.devices([{ reports: 'exited' }]);
    const rolloutId = await told('1.1');
    await rig.report(broken, 'redis:1.1');
    const seen = await counts(rolloutId);
    expect(seen).toEqual({ completed: 1 });
    expect(evidenceOf(seen)).toMatchObject({ attempted: 1, healthy: 1, failures: 0 });
  });

  it('is rolled back once the old image is there again, though that fails as it did', async () => {
    const [broken = '', well = ''] = await rig.devices([{ reports: 'exited' }, { reports: 'running' }]);
    const rolloutId = await told('1.1');
    await rig.act.restoreDevices({ rolloutId, reason: 'test', actor: 'test' });
    for (const device of [broken, well]) await rig.report(device, 'redis:1.1', 'exited');
    expect((await rig.states(rolloutId)).map(({ status }) => status)).toEqual(['rolling_back', 'rolling_back']);
    for (const device of [broken, well]) await rig.report(device, 'redis:1.0', 'exited');
    expect((await rig.states(rolloutId)).map(({ status }) => status)).toEqual(['rolled_back', 'rolling_back']);
  });
});

describe('what counts is how it was at the moment it was told', () => {
  it('not at the plan', async () => {
    const [device = ''] = await rig.devices([{ reports: 'exited' }]);
    const rolloutId = await rig.planned({ tag: '1.1', rules });
    await rig.report(device, 'redis:1.0');
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    expect(await rig.states(rolloutId)).toMatchObject([{ failingBefore: false }]);
  });

  it('and not at an earlier turn at which it was offline', async () => {
    const [device = ''] = await rig.devices([{ reports: 'exited', seenSecondsAgo: 1000 }]);
    const rolloutId = await told('1.1');
    expect(await rig.states(rolloutId)).toMatchObject([{ deferred: true }]);
    await rig.report(device, 'redis:1.0');
    await rig.seen(device, 0);
    await rig.act.nextWave({ rolloutId });
    await rig.act.applyBatch({ rolloutId, batch: 2 });
    expect(await rig.states(rolloutId)).toMatchObject([{ status: 'scheduled', failingBefore: false }]);
  });

  it('another service of the device says nothing about this one', async () => {
    const [device = ''] = await rig.devices([{}]);
    const services = [{ serviceId: 9, serviceName: 'other', imageName: 'nginx:1', status: 'exited' }];
    await rig.pool.query('insert into device_current_state (device_uuid, apps) values ($1, $2)', [
      device,
      { '1002': { services } },
    ]);
    expect(await rig.states(await told('1.1'))).toMatchObject([{ failingBefore: false }]);
  });
});

describe('a device that is taken over unproven from an older rollout', () => {
  it('and that broke there was not failing before: the newer one is not excused by the older one’s fault', async () => {
    const [device = ''] = await rig.devices([{ reports: 'running' }]);
    await told('1.1');
    await rig.report(device, 'redis:1.1', 'exited');
    const newer = await told('1.2');
    await rig.report(device, 'redis:1.2', 'exited');
    expect(await rig.states(newer)).toMatchObject([{ status: 'failed', failingBefore: false }]);
    expect(await counts(newer)).toEqual({ failed: 1 });
  });

  it('and that was failing before that one is still: its baseline is passed on, through an ended one too', async () => {
    const [device = ''] = await rig.devices([{ reports: 'exited' }]);
    const first = await told('1.1');
    await rig.act.finishRollout({
      rolloutId: first,
      status: 'cancelled',
      reason: 'test',
      actor: 'test',
      error: null,
      hold: false,
    });
    await told('1.2');
    const last = await told('1.3');
    await rig.report(device, 'redis:1.3', 'exited');
    expect(await counts(last)).toEqual({ failing_before: 1 });
    await rig.act.restoreDevices({ rolloutId: last, reason: 'test', actor: 'test' });
    await rig.report(device, 'redis:1.0', 'exited');
    expect(await rig.states(last)).toMatchObject([{ status: 'rolled_back' }]);
  });

  it('but where it had proven the older one, the baseline is taken anew', async () => {
    const [device = ''] = await rig.devices([{ reports: 'exited' }]);
    await told('1.1');
    await rig.report(device, 'redis:1.1');
    expect(await rig.states(await told('1.2'))).toMatchObject([{ failingBefore: false }]);
  });
});
