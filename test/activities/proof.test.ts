import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acceptWord, acceptReport } from '../support/one-report';
import type { RolloutRules } from '../../src/domain/rules';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { passDeadlines } from '../support/fleet-fixture';

/** What one report alone does not tell: when it was made, what happened since the one before, and why a device failed. */
let rig: ActivityRig;
beforeEach(async () => {
  rig = await createActivityRig({ chunkSize: 100 });
});
afterEach(() => rig.drop());

const [OLD, NEW] = ['redis:7-alpine', 'redis:7.5-alpine'] as const;
async function told(count: number, rules: Partial<RolloutRules> = {}) {
  const devices = await rig.devices(Array.from({ length: count }, () => ({ image: OLD })));
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], ...rules } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return { rolloutId, devices };
}
async function report(deviceUuid: string, service: object, version: number | null = null): Promise<void> {
  const services = [{ serviceId: 1, serviceName: 'redis', imageName: NEW, status: 'running', ...service }];
  await acceptReport(rig.pool, { deviceUuid, apps: { '1002': { services } }, version, info: {} });
}
const states = async (rolloutId: string) =>
  (await rig.states(rolloutId)).map(({ status, reason }) =>
    reason === null ? status : `${status as string}: ${reason as string}`,
  );
/** The soak of all devices is over. */
const soaked = (rolloutId: string) =>
  rig.pool.query(
    `update device_rollout_status set healthy_since = healthy_since - interval '61 seconds' where rollout_id = $1`,
    [rolloutId],
  );
const health = (rolloutId: string) => rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: 60 });

describe('a report that is older than the telling', () => {
  it('proves nothing, whatever it shows, where its version says so', async () => {
    const { rolloutId, devices } = await told(1);
    await report(devices[0]!, {}, 3);
    expect(await states(rolloutId)).toEqual(['scheduled']);
    await report(devices[0]!, {}, 4);
    expect(await states(rolloutId)).toEqual(['health_checking']);
  });

  it('is no failure of one that was told again: an agent sends what it had queued in order', async () => {
    const { rolloutId, devices } = await told(1);
    await report(devices[0]!, { status: 'exited' }, 4);
    await rig.act.retryDevices({ rolloutId, attempt: null });
    await report(devices[0]!, { status: 'exited' }, 4);
    expect(await states(rolloutId)).toEqual(['scheduled']);
    await report(devices[0]!, {}, 5);
    await report(devices[0]!, { imageName: OLD }, 3);
    expect(await states(rolloutId)).toEqual(['health_checking']);
  });

  it('confirms no rollback, though it shows the image from before', async () => {
    const { rolloutId, devices } = await told(1);
    await rig.act.restoreDevices({ rolloutId, reason: 'test', actor: 'test', scope: 'all' });
    await report(devices[0]!, { imageName: OLD }, 3);
    expect(await states(rolloutId)).toEqual(['rolling_back']);
    await report(devices[0]!, { imageName: OLD }, 5);
    expect(await states(rolloutId)).toEqual(['rolled_back']);
  });
});

describe('a crash loop', () => {
  it('is a failure though each report shows the container running, and stays one', async () => {
    const { rolloutId, devices } = await told(1);
    for (const restartCount of [0, 1, 3]) await report(devices[0]!, { restartCount });
    await report(devices[0]!, { restartCount: 3 });
    await soaked(rolloutId);
    await health(rolloutId);
    expect(await states(rolloutId)).toEqual(['failed: CrashLoopBackOff: redis: restarted 3 times since it was told']);
  });

  it('begins the soak anew with each restart, so that none passes between two crashes', async () => {
    const { rolloutId, devices } = await told(1);
    await report(devices[0]!, { containerId: 'a' });
    await soaked(rolloutId);
    await report(devices[0]!, { containerId: 'b' });
    expect((await health(rolloutId)).batch).toEqual({ health_checking: 1 });
    expect(await rig.count(`rollout_events where type = 'device.restarted'`)).toBe(1);
    await report(devices[0]!, { containerId: 'b' });
    await soaked(rolloutId);
    expect((await health(rolloutId)).batch).toEqual({ completed: 1 });
  });

  it('that shows only after the soak breaks the device again', async () => {
    const { rolloutId, devices } = await told(1);
    await report(devices[0]!, { restartCount: 0 });
    await soaked(rolloutId);
    await health(rolloutId);
    await report(devices[0]!, { restartCount: 2 });
    expect(await states(rolloutId)).toEqual(['completed']);
    await report(devices[0]!, { restartCount: 4 });
    expect(await states(rolloutId)).toEqual([
      'failed: broke after it was healthy: CrashLoopBackOff: redis: restarted 4 times since it was told',
    ]);
  });

  it.each([
    ['before the soak', ['exited', 'running', 'exited', 'running']],
    ['around its end', ['running', 'soaked', 'exited', 'running']],
    ['in it', ['running', 'exited', 'running', 'soaked']],
  ])('whose status alternates %s is a failure, not a success between two crashes', async (_when, steps) => {
    const { rolloutId, devices } = await told(1);
    for (const step of steps) {
      if (step === 'soaked') await soaked(rolloutId);
      else await report(devices[0]!, { status: step });
      await health(rolloutId);
    }
    expect((await health(rolloutId)).batch).toEqual({ failed: 1 });
  });

  it('is none where an agent of the first generation makes containers with volumes anew, which reports no volumes', async () => {
    const { rolloutId, devices } = await told(2);
    const config = '{"volumes": ["data:/data"]}';
    await rig.pool.query(`update device_target_state set apps = jsonb_set(apps, '{1002,services,0,config}', $1)`, [
      config,
    ]);
    for (const containerId of ['a', 'b', 'c', 'd', 'e']) {
      await report(devices[0]!, { containerId });
      await report(devices[1]!, { containerId, config: { volumes: ['data:/data'] } });
    }
    await soaked(rolloutId);
    await health(rolloutId);
    expect(await states(rolloutId)).toEqual([
      'completed',
      'failed: CrashLoopBackOff: redis: restarted 3 times since it was told',
    ]);
  });

  it('is counted anew when the device is told again', async () => {
    const { rolloutId, devices } = await told(1);
    for (const restartCount of [0, 3]) await report(devices[0]!, { restartCount });
    await rig.act.retryDevices({ rolloutId, attempt: null });
    for (const restartCount of [3, 3]) await report(devices[0]!, { restartCount });
    expect(await states(rolloutId)).toEqual(['health_checking']);
  });
});

describe('why devices failed', () => {
  it('is kept by device and counted by cause, in the batch and over all', async () => {
    const { rolloutId, devices } = await told(9, { maxFailureRate: 1 });
    const [a, b, c, d, e, f, g] = devices;
    await report(a!, { status: 'failed', reason: 'ErrImagePull', message: 'manifest unknown' });
    await report(b!, { status: 'ImagePullBackOff', message: 'back off' });
    await acceptWord(rig.pool, {
      ...{
        deviceUuid: c!,
        appId: null,
        service: null,
        status: 'failed',
        image: NEW,
        message: null,
        reason: 'ErrImagePull',
      },
    });
    await acceptWord(rig.pool, {
      ...{ deviceUuid: d!, appId: null, service: null, status: 'rejected', image: null, message: 'locked' },
    });
    await report(e!, { health: 'unhealthy' });
    await report(f!, { status: 'exited', message: 'code 1' });
    // The pull fails; the old container goes on, and the agent says why.
    await report(g!, { imageName: OLD, reason: 'ErrImagePull', message: 'no space left' }, 4);
    await passDeadlines(rig.pool, rolloutId);
    const { causes, batch } = await health(rolloutId);
    expect(batch).toEqual({ failed: 6, timed_out: 1, unreachable: 2 });
    const sentence = '3 ErrImagePull, 2 silent, 1 HealthCheckFailed, 1 ImagePullBackOff, 1 exited, 1 of other causes';
    expect(causes).toEqual({ batch: sentence, overall: sentence });
    expect(await states(rolloutId)).toEqual([
      'failed: ErrImagePull: redis failed: manifest unknown',
      'failed: ImagePullBackOff: redis imagepullbackoff: back off',
      'failed: ErrImagePull: failed',
      'failed: rejected: locked',
      'failed: HealthCheckFailed: redis unhealthy',
      'failed: redis exited: code 1',
      'timed_out: not healthy in time: ErrImagePull: service redis runs redis:7-alpine: no space left',
      'unreachable: silent since it was told',
      'unreachable: silent since it was told',
    ]);
  });

  it('stays with a device that was put back', async () => {
    const { rolloutId, devices } = await told(1);
    await report(devices[0]!, { status: 'failed', reason: 'StartFailure' });
    await rig.act.restoreDevices({ rolloutId, reason: 'test', actor: 'test', scope: 'all' });
    await report(devices[0]!, { imageName: OLD });
    expect(await states(rolloutId)).toEqual(['rolled_back: StartFailure: redis failed']);
  });

  it('is not said of devices that were failing before', async () => {
    const devices = await rig.devices([{ image: OLD, reports: 'exited' }]);
    const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }] } });
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    await report(devices[0]!, { status: 'exited' });
    expect(await health(rolloutId)).toMatchObject({ batch: { failing_before: 1 } });
    expect((await health(rolloutId)).causes).toBeUndefined();
  });

  it.each([
    ['failed', 'ErrImagePull: redis failed', 'ErrImagePull'],
    ['rolled_back', 'broke after it was healthy: CrashLoopBackOff: redis: restarted 3 times', 'CrashLoopBackOff'],
    [
      'rollback_failed',
      'its previous image was put back but not confirmed in time (OOMKilled: redis exited)',
      'OOMKilled',
    ],
    ['rollback_failed', 'its previous image was put back but not confirmed in time', 'put back, not confirmed'],
    ['timed_out', 'not healthy in time: HealthCheckFailed: tcp 6379: connection refused', 'HealthCheckFailed'],
    ['timed_out', 'not healthy in time: it never reported the new image', 'not healthy in time'],
    ['unreachable', 'silent since it was told', 'silent'],
    ['rolled_back', 'silent since it was told', 'silent'],
    ['unreachable', 'went silent after it fetched its target: ErrImagePull: redis', 'silent'],
    ['failed', 'rejected: locked', 'rejected'],
    ['failed', 'rejected', 'rejected'],
    ['failed', 'went back: service redis runs redis:7', 'went back'],
    ['failed', 'redis exited: MySQL: gone', 'exited'],
    ['failed', 'broke after it was healthy: redis dead', 'dead'],
    ['failed', 'unhealthy: cold', 'unhealthy'],
    ['failed', null, 'failed'],
  ])('%s, %s: %s', async (status, reason, expected) => {
    const { rows } = await rig.pool.query<{ cause: string }>('select fleetwave.failure_cause($1, $2) as cause', [
      status,
      reason,
    ]);
    expect(rows[0]?.cause).toBe(expected);
  });
});
