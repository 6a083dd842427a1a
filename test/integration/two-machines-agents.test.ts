import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { appWith } from '../support/fleet-fixture';
import { dockerHubBody } from '../support/intake';
import { until } from '../support/outage';
import { hasty, type Answer } from '../support/stack-fixture';
import { startTwoMachines, type Machine, type TwoMachines } from '../support/two-machines';

/** What one API knows and another one has to see: waiting devices, keys, tokens, sources. */
let machines: TwoMachines;
let first: Machine;
let second: Machine;

beforeAll(async () => {
  machines = await startTwoMachines();
  ({ first, second } = machines);
  await machines.stack.policy({ ...hasty, image_pattern: 'redis:*' });
}, 600_000);
afterAll(async () => {
  await machines.close();
});

async function newDevice(image = 'redis:7'): Promise<DeviceCredentials> {
  const [device] = await machines.stack.devices([appWith(image)]);
  if (device === undefined) throw new Error('no device was made');
  return device;
}

function poll(machine: Machine, device: DeviceCredentials, etag?: string): Promise<Answer> {
  return machines.call(machine, 'GET', `/device/${device.uuid}/state${etag === undefined ? '' : '?wait=60'}`, {
    headers: { 'x-device-api-key': device.apiKey, ...(etag === undefined ? {} : { 'if-none-match': etag }) },
  });
}

/** Polls with what the device knows already, and returns when the API holds it. */
async function waits(machine: Machine, device: DeviceCredentials): Promise<{ answer: Promise<Answer> }> {
  const etag = (await poll(machine, device)).headers.get('etag') ?? '';
  const before = await waiting(machine);
  const answer = poll(machine, device, etag);
  answer.catch(() => undefined);
  await until(async () => (await waiting(machine)) === before + 1);
  return { answer };
}

async function waiting({ url }: Machine): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^fleetwave_waiting_polls (\d+)$/m.exec(text)?.[1]);
}

const setTarget = (machine: Machine, { uuid }: DeviceCredentials, image: string): Promise<Answer> =>
  machines.call(machine, 'PUT', `/devices/${uuid}/target-state`, { body: { apps: appWith(image) } });

const told = ({ status, body }: Answer) => [status, JSON.stringify(body)];

test('a device that waits at one API hears of what a worker writes after a push to the other', async () => {
  const device = await newDevice();
  const { answer } = await waits(second, device);
  await machines.call(first, 'POST', '/webhooks/docker-registry', { text: dockerHubBody('redis', '7.5'), headers: {} });
  expect(told(await answer)).toEqual([200, expect.stringContaining('redis:7.5')]);
});

test('a device whose API is stopped is sent away at once, waits at the other one, and hears there', async () => {
  const device = await newDevice('nginx:1.27');
  const sentAway = await waits(second, device);
  const stopped = second.api.stop();
  const { status, headers } = await sentAway.answer;
  expect([status, headers.get('connection')]).toEqual([304, 'close']);
  const { answer } = await waits(first, device);
  await stopped;
  await second.api.start();
  expect((await setTarget(second, device, 'nginx:1.28')).status).toBe(200);
  expect(told(await answer)).toEqual([200, expect.stringContaining('nginx:1.28')]);
});

test('a device whose API is killed with -9 goes on at the other one, and misses nothing meanwhile', async () => {
  const device = await newDevice('nginx:1.27');
  const known = (await poll(second, device)).headers.get('etag') ?? '';
  const { answer } = await waits(second, device);
  second.api.kill('SIGKILL');
  await expect(answer).rejects.toThrow();
  expect((await setTarget(first, device, 'nginx:1.28')).status).toBe(200);
  expect(told(await poll(first, device, known))).toEqual([200, expect.stringContaining('nginx:1.28')]);
  await second.api.start();
});

test("a device's key that is replaced, or a device that is switched off, at one API: the other one knows at once", async () => {
  const device = await newDevice();
  const { answer } = await waits(second, device);
  const rotated = await machines.call(first, 'POST', `/devices/${device.uuid}/rotate-key`, { body: { grace_days: 0 } });
  // Also who was let in with the old key, and waits.
  expect((await answer).status).toBe(401);
  expect((await poll(second, device)).status).toBe(401);
  const renewed = { uuid: device.uuid, apiKey: String(rotated.body['api_key']) };
  expect((await poll(second, renewed)).status).toBe(200);

  const waitsOn = await waits(second, renewed);
  await machines.call(first, 'PATCH', `/devices/${device.uuid}`, { body: { is_active: false } });
  expect((await waitsOn.answer).status).toBe(403);
  expect((await poll(second, renewed)).status).toBe(403);
});

test('a device that polls at one API is online at the other', async () => {
  const device = await newDevice();
  const online = async () => (await machines.call(first, 'GET', `/devices/${device.uuid}`)).body['online'];
  expect(await online()).toBe(false);
  await poll(second, device);
  await until(async () => (await online()) === true);
});

test("an operator's token that is revoked at one API works at the other for seconds, and then no more", async () => {
  const made = await machines.call(first, 'POST', '/tokens', { body: { name: 'soon gone', role: 'viewer' } });
  const headers = { authorization: `Bearer ${String(made.body['token'])}` };
  const status = async (machine: Machine) => (await machines.call(machine, 'GET', '/devices', { headers })).status;
  expect([await status(first), await status(second)]).toEqual([200, 200]);
  await machines.call(first, 'DELETE', `/tokens/${String(made.body['id'])}`);
  expect(await status(first)).toBe(401);
  await until(async () => (await status(second)) === 401);
});

test('a webhook source that is made, changed and deleted at one API: the other one takes deliveries as it is now', async () => {
  let pushes = 0;
  const path = '/webhook-sources/from-hub';
  const put = (...secrets: string[]) =>
    machines.call(first, 'PUT', path, { body: { kind: 'dockerhub', secrets, debounce_seconds: 0 } });
  const status = async (secret: string) => {
    pushes += 1;
    const text = dockerHubBody('unknown/image', `1.${pushes}`);
    return (await machines.call(second, 'POST', `/webhooks/from-hub?secret=${secret}`, { text, headers: {} })).status;
  };
  expect(await status('first-secret')).toBe(404);
  await put('first-secret');
  expect(await status('first-secret')).toBeLessThan(300);
  await put('second-secret');
  // What it knew a moment ago lets nothing in; what is new is let in when it asks again, after a second.
  expect(await status('first-secret')).toBe(401);
  await until(async () => (await status('second-secret')) < 300);
  await machines.call(first, 'DELETE', path);
  expect(await status('second-secret')).toBe(404);
});

test('refused registrations are counted by each API for itself, and keep out nobody who has a key', async () => {
  const register = (machine: Machine, key: string) =>
    machines.call(machine, 'POST', '/device/register', {
      headers: { authorization: `Bearer ${key}` },
      body: {
        ...{ uuid: randomUUID(), deviceName: 'kiosk', deviceType: 'kiosk' },
        deviceApiKey: randomBytes(32).toString('hex'),
      },
    });
  for (let refused = 0; refused < 5; refused += 1) expect((await register(first, 'no such key')).status).toBe(401);
  expect((await register(first, 'no such key')).status).toBe(429);
  expect((await register(second, 'no such key')).status).toBe(401);
  const made = await machines.call(first, 'POST', '/provisioning-keys', { body: { fleetId: 'kiosks' } });
  for (const machine of machines.both) expect((await register(machine, String(made.body['key']))).status).toBe(200);
});
