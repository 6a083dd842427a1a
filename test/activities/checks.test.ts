import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Pool } from 'pg';
import { createActivities } from '../../src/activities';
import { acceptWord, acceptReport, type HealthWord } from '../support/one-report';
import type { CheckResult, HealthCheck } from '../../src/domain/checks';
import type { RolloutRules } from '../../src/domain/rules';
import { createProber, type Prober } from '../../src/probe/prober';
import { createActivityRig, type ActivityRig } from '../support/activity-rig';
import { passDeadlines } from '../support/fleet-fixture';
import { freePort } from '../../src/dev/ports';
import { serveHttp, serveTcp, type SmallServer } from '../support/small-servers';

/** Checks that Fleetwave makes itself, against real servers on addresses of this machine, and those that are spoken for. */
let rig: ActivityRig;
const open: SmallServer[] = [];
const looks: string[] = [];
/** What the next looks come to, where it is not what the real prober sees. */
let answers: CheckResult[] = [];
const real = createProber();
const prober: Prober = {
  async probe(check, address) {
    looks.push(`${check.kind} ${String(address)}`);
    return answers.shift() ?? real.probe(check, address);
  },
};
beforeEach(async () => {
  rig = await createActivityRig({ chunkSize: 100, prober });
  looks.length = 0;
  answers = [];
});
afterEach(async () => {
  await rig.drop();
  await Promise.all(open.splice(0).map((server) => server.close()));
});

const tcp = (port: number): HealthCheck => ({ kind: 'tcp', port, timeoutSeconds: 5 });
const custom: HealthCheck = { kind: 'custom', name: 'cache-warm' };
const NEW = 'redis:7.5-alpine';

/** Devices of a rollout that were all told; they have reported nothing. */
async function told(checks: HealthCheck[], addresses: (string | undefined)[], rules: Partial<RolloutRules> = {}) {
  const devices = await rig.devices(
    addresses.map((address) => ({ image: 'redis:7-alpine', ...(address === undefined ? {} : { address }) })),
  );
  const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], checks, ...rules } });
  await rig.act.applyBatch({ rolloutId, batch: 1 });
  return { rolloutId, devices };
}
const look = (rolloutId: string, seen = ''): Promise<string> =>
  rig.act.runChecks({ rolloutId, seen }).then(
    ({ outcome }) => outcome,
    (error: unknown) => String((error as { type: unknown }).type),
  );
const states = async (rolloutId: string) =>
  (await rig.states(rolloutId)).map(({ status, reason }) =>
    reason === null ? status : `${status as string}: ${reason as string}`,
  );
/** As if so much time had passed since the last look, and since the soak began. */
async function later(rolloutId: string, seconds: number): Promise<void> {
  await rig.pool.query(
    `update device_rollout_status set checked_at = checked_at - make_interval(secs => $2), healthy_since = healthy_since - make_interval(secs => $2)
      where rollout_id = $1`,
    [rolloutId, seconds],
  );
}
async function listening(): Promise<SmallServer> {
  const server = await serveTcp((socket) => void socket.resume(), '127.0.0.2');
  open.push(server);
  return server;
}
const word = (deviceUuid: string, given: Partial<HealthWord>) =>
  acceptWord(rig.pool, {
    deviceUuid,
    appId: null,
    service: null,
    status: 'healthy',
    image: null,
    message: null,
    ...given,
  });
const events = (type: string): Promise<number> => rig.count('rollout_events where type = $1', [type]);

describe('a check that Fleetwave makes', () => {
  it('is made once a report shows the image running; the soak begins when it holds, and ends with one that held', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2']);
    expect(await look(rolloutId)).toBe('ChecksNotSettled');
    expect(looks).toEqual([]);

    await rig.report(devices[0]!, NEW);
    expect(await states(rolloutId)).toEqual([
      `updating: runs the image, waits for its check tcp ${String(server.port)}`,
    ]);
    expect(await look(rolloutId)).toBe('1: soaking');
    expect(await states(rolloutId)).toEqual(['health_checking']);
    expect(server.connections()).toBe(1);

    await later(rolloutId, 61);
    // A report, or time alone, does not end the soak.
    await rig.report(devices[0]!, NEW);
    await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: 60 });
    expect(await states(rolloutId)).toEqual(['health_checking']);
    expect(await look(rolloutId, '1: soaking')).toBe('');
    expect(await states(rolloutId)).toEqual(['completed']);
    expect(server.connections()).toBe(2);
  });

  it('that does not hold until the deadline makes a device late, and says which and why', async () => {
    const port = await freePort('127.0.0.2');
    const { rolloutId, devices } = await told([tcp(port)], ['127.0.0.2']);
    await rig.report(devices[0]!, NEW);
    expect(await look(rolloutId)).toBe('ChecksNotSettled');
    expect(await states(rolloutId)).toEqual([`updating: HealthCheckFailed: tcp ${String(port)}: connection refused`]);
    await passDeadlines(rig.pool, rolloutId);
    const { batch, causes } = await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: 60 });
    expect([batch, causes]).toEqual([
      { timed_out: 1 },
      { batch: '1 HealthCheckFailed', overall: '1 HealthCheckFailed' },
    ]);
    expect(await states(rolloutId)).toEqual([
      `timed_out: not healthy in time: HealthCheckFailed: tcp ${String(port)}: connection refused`,
    ]);
  });

  it('is looked at again when it missed once in the soak; a second miss ends the soak', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2']);
    await rig.report(devices[0]!, NEW);
    await look(rolloutId);
    const miss = { ok: false, said: 'no answer within 1 s' };
    await later(rolloutId, 20);
    answers = [miss];
    expect(await look(rolloutId, '1: soaking')).toBe('ChecksNotSettled');
    expect(await states(rolloutId)).toEqual(['health_checking']);
    await later(rolloutId, 20);
    answers = [miss, miss];
    expect(await look(rolloutId, '1: soaking')).toBe('');
    expect(await states(rolloutId)).toEqual([
      `updating: HealthCheckFailed: tcp ${String(server.port)}: no answer within 1 s`,
    ]);
    await later(rolloutId, 20);
    expect(await look(rolloutId)).toBe('1: soaking');
  });

  it('is not made again before it is due, nor of a device that does not run the image', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2', '127.0.0.2', '127.0.0.2']);
    await rig.report(devices[0]!, NEW);
    await rig.report(devices[1]!, 'redis:7-alpine');
    await look(rolloutId);
    await look(rolloutId);
    expect(server.connections()).toBe(1);
  });

  it('run twice at once, or again after a crash between its effects, moves each device once', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2', '127.0.0.2']);
    for (const device of devices) await rig.report(device, NEW);
    // The results are stored, and then its process is gone: before time is let decide, and before anybody is told.
    const gone = new Error('the process is gone');
    const query = (text: string, values: unknown[]) =>
      text.includes('with soaks as') ? Promise.reject(gone) : rig.pool.query(text, values);
    const broken = createActivities({ pool: { query } as unknown as Pool, chunkSize: 100, prober });
    const run = new MockActivityEnvironment().run(broken.runChecks, { rolloutId, seen: '' });
    await expect(run).rejects.toBe(gone);
    expect(await states(rolloutId)).toEqual(['health_checking', 'health_checking']);
    expect(await Promise.all([look(rolloutId), look(rolloutId)])).toEqual(['1: soaking', '1: soaking']);
    expect(await events('device.health_checking')).toBe(2);
    await later(rolloutId, 61);
    await Promise.all([look(rolloutId, '1: soaking'), look(rolloutId, '1: soaking')]);
    expect(await events('device.completed')).toBe(2);
  });

  it('of http holds by its status', async () => {
    let status = 503;
    const server = await serveHttp(
      (request, response) => response.writeHead(request.url === '/health' ? status : 200).end(),
      '127.0.0.2',
    );
    open.push(server);
    const check: HealthCheck = { kind: 'http', port: server.port, path: '/health', status: null, timeoutSeconds: 5 };
    const { rolloutId, devices } = await told([check], ['127.0.0.2'], { soakSeconds: 0 });
    await rig.report(devices[0]!, NEW);
    await look(rolloutId);
    expect(await states(rolloutId)).toEqual([
      `updating: HealthCheckFailed: http ${String(server.port)}/health: answered 503 instead of 200 to 299`,
    ]);
    status = 204;
    await later(rolloutId, 20);
    expect(await look(rolloutId)).toBe('');
    expect(await states(rolloutId)).toEqual(['completed']);
  });

  it('forgets what it saw when the device is told again', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2']);
    await rig.report(devices[0]!, NEW);
    await look(rolloutId);
    await rig.report(devices[0]!, NEW, 'exited');
    await rig.act.retryDevices({ rolloutId, attempt: null });
    await server.close();
    await rig.report(devices[0]!, NEW);
    expect(await states(rolloutId)).toEqual([
      `updating: runs the image, waits for its check tcp ${String(server.port)}`,
    ]);
    await look(rolloutId);
    expect(await states(rolloutId)).toEqual([
      `updating: HealthCheckFailed: tcp ${String(server.port)}: connection refused`,
    ]);
  });

  it('is at an end when the rollout is put back: a report alone confirms that', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port)], ['127.0.0.2']);
    await rig.report(devices[0]!, NEW);
    await rig.act.restoreDevices({ rolloutId, reason: 'test', actor: 'test', scope: 'all' });
    expect(await look(rolloutId)).toBe('');
    expect(looks).toEqual([]);
    await rig.report(devices[0]!, 'redis:7-alpine');
    expect(await states(rolloutId)).toEqual([
      'rolled_back: runs the image, waits for its check tcp ' + String(server.port),
    ]);
  });
});

describe('a device without an address', () => {
  it('is left out by the plan, and at its turn, with the reason; under checks that are spoken for it is not', async () => {
    const { rolloutId, devices } = await told([tcp(6379)], ['127.0.0.2', undefined]);
    expect(await states(rolloutId)).toEqual(['scheduled', 'skipped: no address: cannot be checked']);
    expect(await rig.targets()).toEqual([NEW, 'redis:7-alpine']);
    expect(devices).toHaveLength(2);
  });

  it('is not told when it has lost it since the plan', async () => {
    const [device] = await rig.devices([{ image: 'redis:7-alpine', address: '127.0.0.2' }]);
    const rolloutId = await rig.planned({ rules: { steps: [{ percent: 100 }], checks: [tcp(6379)] } });
    await rig.pool.query('update devices set address = null where uuid = $1', [device]);
    await rig.act.applyBatch({ rolloutId, batch: 1 });
    expect(await states(rolloutId)).toEqual(['skipped: no address: cannot be checked']);
  });

  it('that lost it when it had been told is late at its deadline, and says so', async () => {
    const { rolloutId, devices } = await told([tcp(6379)], ['127.0.0.2']);
    await rig.pool.query('update devices set address = null');
    await rig.report(devices[0]!, NEW);
    await look(rolloutId);
    expect(await states(rolloutId)).toEqual(['updating: HealthCheckFailed: tcp 6379: no address: cannot be checked']);
  });

  it('is told under a custom check, which needs none', async () => {
    const { rolloutId } = await told([custom], [undefined]);
    expect(await states(rolloutId)).toEqual(['scheduled']);
  });
});

describe('a custom check', () => {
  it('holds by a word that names it, once the device is known to run the image', async () => {
    const { rolloutId, devices } = await told([custom], [undefined], { soakSeconds: 0 });
    await word(devices[0]!, { check: 'cache-warm' });
    await rig.report(devices[0]!, NEW);
    expect(await states(rolloutId)).toEqual(['updating: runs the image, waits for its check custom cache-warm']);
    await word(devices[0]!, {});
    await word(devices[0]!, { check: 'another' });
    await word(devices[0]!, { check: 'cache-warm', status: 'updating' });
    expect(await states(rolloutId)).toEqual(['updating: runs the image, waits for its check custom cache-warm']);
    await word(devices[0]!, { check: 'cache-warm' });
    expect(await states(rolloutId)).toEqual(['completed']);
  });

  it('may be spoken for before the report by a word that names the image', async () => {
    const { rolloutId, devices } = await told([custom], [undefined], { soakSeconds: 0 });
    await word(devices[0]!, { check: 'cache-warm', image: 'redis:7-alpine' });
    await word(devices[0]!, { check: 'cache-warm', image: NEW });
    expect(await states(rolloutId)).toEqual(['updating: a check is spoken for, the report is awaited']);
    await rig.report(devices[0]!, NEW);
    expect(await states(rolloutId)).toEqual(['completed']);
  });

  it('comes with a report too, for the image that the report shows', async () => {
    const { rolloutId, devices } = await told([custom], [undefined], { soakSeconds: 0 });
    const report = (imageName: string) =>
      acceptReport(rig.pool, {
        deviceUuid: devices[0]!,
        apps: { '1002': { services: [{ serviceId: 1, imageName, status: 'running' }] } },
        version: null,
        info: { checks: { 'cache-warm': 'healthy' } },
      });
    await report('redis:7-alpine');
    expect(await states(rolloutId)).toEqual(['scheduled']);
    await report(NEW);
    expect(await states(rolloutId)).toEqual(['completed']);
  });

  it('that is said not to hold is a failure at once, also in the soak and after it', async () => {
    const { rolloutId, devices } = await told([custom], [undefined, undefined], { soakSeconds: 60 });
    for (const device of devices) {
      await rig.report(device, NEW);
      await word(device, { check: 'cache-warm' });
    }
    await later(rolloutId, 61);
    await word(devices[0]!, { check: 'cache-warm', status: 'unhealthy', message: 'cold' });
    await rig.act.readHealth({ rolloutId, batch: 1, soakSeconds: 60 });
    await word(devices[1]!, { check: 'cache-warm', status: 'failed' });
    expect(await states(rolloutId)).toEqual([
      'failed: HealthCheckFailed: custom cache-warm: cold',
      'failed: broke after it was healthy: HealthCheckFailed: custom cache-warm: said to be unhealthy',
    ]);
  });

  it('is waited for beside one that Fleetwave makes, whichever comes first', async () => {
    const server = await listening();
    const { rolloutId, devices } = await told([tcp(server.port), custom], ['127.0.0.2', '127.0.0.2'], {
      soakSeconds: 0,
    });
    for (const device of devices) await rig.report(device, NEW);
    await word(devices[0]!, { check: 'cache-warm' });
    await look(rolloutId);
    expect(await states(rolloutId)).toEqual([
      'completed',
      'updating: runs the image, waits for its check custom cache-warm',
    ]);
    await word(devices[1]!, { check: 'cache-warm' });
    expect(await states(rolloutId)).toEqual(['completed', 'completed']);
  });

  it('can be sent as a signal by a script that has no key of the device', async () => {
    const { rolloutId, devices } = await told([custom], [undefined], { soakSeconds: 0 });
    await rig.report(devices[0]!, NEW);
    const words = [{ device: devices[0]!, status: 'healthy', message: null, check: 'cache-warm' } as const];
    await rig.act.recordHealth({ words });
    await rig.act.recordHealth({ words });
    expect(await states(rolloutId)).toEqual(['completed']);
  });
});
