import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { quick, startFieldStack, type FieldStack } from '../support/field-stack';
import { until } from '../support/outage';
import { freePort } from '../../src/dev/ports';
import { serveHttp, serveTcp, type SmallServer } from '../support/small-servers';

/** `health.checks`: what each kind does to a rollout, from outside: real devices' addresses are addresses of this machine. */
let stack: FieldStack;
const open: SmallServer[] = [];
beforeAll(async () => {
  stack = await startFieldStack();
});
afterAll(async () => {
  await Promise.all(open.map((server) => server.close()));
  await stack.close();
});
const kept = async (server: Promise<SmallServer>): Promise<SmallServer> => {
  open.push(await server);
  return server;
};

/** Devices of `fields/<name>` that run their new image, by their reports. */
async function running(
  name: string,
  checks: object[],
  addresses: (string | null)[],
  health: object = {},
): Promise<{ id: string; fleet: DeviceCredentials[] }> {
  const repository = `fields/${name}`;
  const policy = { ...quick, image_pattern: `${repository}:*`, max_failure_rate: 0.4 };
  await stack.policy({ ...policy, health: { ...quick.health, ...health, checks } });
  const fleet = await stack.fleet(
    repository,
    addresses.map((address) => (address === null ? {} : { address })),
  );
  const id = await stack.starts(repository, '2');
  const addressed = fleet.filter((_, index) => addresses[index] !== null || !checks.some(isProbe));
  await stack.counts(id, { told: addressed.length });
  for (const device of addressed) await stack.report(device);
  return { id, fleet };
}
const isProbe = (check: object): boolean => 'port' in check;
const reasons = async (id: string): Promise<(string | null)[]> => {
  const { body } = await stack.call('GET', `/rollouts/${id}/devices`);
  return (body['devices'] as { reason: string | null }[]).map(({ reason }) => reason);
};
async function becomesReason(id: string, text: string): Promise<void> {
  await until(async () => (await reasons(id)).some((reason) => reason?.includes(text)));
}
async function say(device: DeviceCredentials, body: object): Promise<void> {
  const answer = await fetch(`${stack.apiUrl}/api/v1/device/${device.uuid}/health`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-device-api-key': device.apiKey },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(202);
}

describe('tcp', () => {
  test('checks.tcp: a device whose port is closed is not healthy, however it reports; once it listens, it is', async () => {
    const port = await freePort('127.0.0.2');
    const { id } = await running('tcp', [{ kind: 'tcp', port }], ['127.0.0.2']);
    await becomesReason(id, `HealthCheckFailed: tcp ${String(port)}: connection refused`);
    expect((await stack.rollout(id)).counts).toMatchObject({ updating: 1, healthy: 0 });
    await kept(serveTcp((socket) => void socket.resume(), '127.0.0.2', port));
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ healthy: 1 });
  });

  test('checks that do not hold until the deadline fail the batch, which is put back, and say why', async () => {
    const port = await freePort('127.0.0.2');
    const { id, fleet } = await running('tcp-late', [{ kind: 'tcp', port }], ['127.0.0.2'], { timeout_seconds: 20 });
    const { batches } = await stack.becomes(id, 'rolling_back');
    expect(batches).toMatchObject([
      { explanation: expect.stringMatching(/1 of 1 devices of this batch failed .*: 1 HealthCheckFailed$/) },
    ]);
    expect((await stack.status(id)) as unknown).toMatchObject({ failures: '1 HealthCheckFailed' });
    await stack.report(fleet[0]!);
    await stack.becomes(id, 'rolled_back');
    const { body } = await stack.call('GET', `/rollouts/${id}`);
    expect(body['failures']).toEqual([{ cause: 'HealthCheckFailed', devices: 1 }]);
    expect((await stack.call('GET', `/rollouts/${id}/devices`)).body['devices']).toMatchObject([
      {
        status: 'rolled_back',
        cause: 'HealthCheckFailed',
        reason: `not healthy in time: HealthCheckFailed: tcp ${String(port)}: connection refused`,
      },
    ]);
  });

  test('a device without an address is left out, in the preview too, and the others go on', async () => {
    const server = await kept(serveTcp((socket) => void socket.resume(), '127.0.0.2'));
    const { id, fleet } = await running('tcp-address', [{ kind: 'tcp', port: server.port }], ['127.0.0.2', null]);
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ healthy: 1, skipped: 1 });
    expect(await reasons(id)).toContain('no address: cannot be checked');
    expect(await stack.targets(fleet)).toEqual(['2', '1']);
    const { body } = await stack.call('POST', '/rollouts/preview', { image: 'fields/tcp-address', tag: '3' });
    expect(body['plan']).toMatchObject({
      counts: { planned: 1, left_out: 1 },
      left_out: [{ reason: 'no address: cannot be checked', count: 1, device_uuids: [fleet[1]!.uuid] }],
    });
  });
});

describe('http', () => {
  test('checks.http: path and status decide; a redirect is answered by nobody else', async () => {
    let status = 302;
    const elsewhere = await kept(serveHttp((_request, response) => response.end(), '127.0.0.3'));
    const server = await kept(
      serveHttp((request, response) => {
        const location = `http://127.0.0.3:${String(elsewhere.port)}/`;
        response.writeHead(request.url === '/health' ? status : 200, { location }).end();
      }, '127.0.0.2'),
    );
    const check = { kind: 'http', port: server.port, path: '/health', status: 204 };
    const { id } = await running('http', [check], ['127.0.0.2']);
    await becomesReason(id, 'answered 302 instead of 204');
    status = 200;
    await becomesReason(id, 'answered 200 instead of 204');
    status = 204;
    await stack.becomes(id, 'completed');
    expect(elsewhere.connections()).toBe(0);
  });

  test('checks.timeout_seconds: what does not answer in that time does not hold', async () => {
    let answers = false;
    const server = await kept(
      serveHttp((_request, response) => {
        if (answers) response.end();
      }, '127.0.0.2'),
    );
    const check = { kind: 'http', port: server.port, timeout_seconds: 1 };
    const { id } = await running('http-timeout', [check], ['127.0.0.2']);
    await becomesReason(id, 'no answer within 1 s');
    answers = true;
    await stack.becomes(id, 'completed');
  });
});

describe('custom', () => {
  test('checks.custom: holds when it is spoken for by its name, in a word or a report, and not otherwise', async () => {
    const { id, fleet } = await running('custom', [{ kind: 'custom', name: 'cache-warm' }], [null, null]);
    const [byWord, byReport] = fleet as [DeviceCredentials, DeviceCredentials];
    await say(byWord, { status: 'healthy' });
    expect(await reasons(id)).toEqual(Array(2).fill('runs the image, waits for its check custom cache-warm'));
    await say(byWord, { status: 'healthy', check: 'cache-warm' });
    await stack.report(byReport, 'running', { checks: { 'cache-warm': 'healthy' } });
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ healthy: 2 });
  });

  test('that is said not to hold fails its device at once', async () => {
    const { id, fleet } = await running('custom-bad', [{ kind: 'custom', name: 'cache-warm' }], [null]);
    await say(fleet[0]!, { status: 'unhealthy', check: 'cache-warm', message: 'still cold' });
    await stack.becomes(id, 'rolling_back');
    expect(await reasons(id)).toEqual(['HealthCheckFailed: custom cache-warm: still cold']);
  });

  test('a script without a key of the device says it by a signal of the workflow', async () => {
    const { id, fleet } = await running('custom-signal', [{ kind: 'custom', name: 'cache-warm' }], [null]);
    const { workflow_id: workflowId } = (await stack.call('GET', `/rollouts/${id}`)).body;
    const { workflow } = await stack.temporalClient();
    const said = { device: fleet[0]!.uuid, status: 'healthy', check: 'cache-warm' };
    await workflow.getHandle(String(workflowId)).signal('health', said);
    await stack.becomes(id, 'completed');
  });
});

test('GET of a policy shows the checks as they are in force', async () => {
  const checks = [
    { kind: 'tcp', port: 6379 },
    { kind: 'http', port: 80 },
    { kind: 'custom', name: 'a' },
  ];
  const made = await stack.call('POST', '/image-policies', {
    ...quick,
    image_pattern: 'fields/shown:*',
    health: { checks },
  });
  expect([made.status, (made.body['health'] as { checks: unknown }).checks]).toEqual([
    201,
    [
      { kind: 'container_running' },
      { kind: 'tcp', port: 6379, timeout_seconds: 5 },
      { kind: 'http', port: 80, path: '/', timeout_seconds: 5 },
      { kind: 'custom', name: 'a' },
    ],
  ]);
});

test.each([
  ['a kind that is none', [{ kind: 'icmp' }], 'the kind of a check is container_running, tcp, http or custom'],
  ['no port', [{ kind: 'tcp' }], 'port'],
  ['a host, which a policy never gives', [{ kind: 'tcp', port: 1, host: '10.0.0.1' }], 'host'],
  ['a path that is none', [{ kind: 'http', port: 80, path: 'health' }], 'must begin with /'],
  ['a path with a line break', [{ kind: 'http', port: 80, path: '/a\r\nx: y' }], 'must begin with /'],
  [
    'one twice',
    [
      { kind: 'tcp', port: 1 },
      { kind: 'tcp', port: 1 },
    ],
    'names a check twice: tcp 1',
  ],
])('a policy with %s is refused', async (_what, checks, said) => {
  const answer = await stack.call('POST', '/image-policies', {
    ...quick,
    image_pattern: 'fields/x:*',
    health: { checks },
  });
  expect([answer.status, JSON.stringify(answer.body).includes(said)]).toEqual([422, true]);
});
