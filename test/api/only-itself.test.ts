import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { allRoutes } from '../../src/api/app';
import { startApiRig, type ApiRig } from './api-rig';

/** "A device can read and report only itself": every route that takes a device's key, with every key that is not the right one. */
let rig: ApiRig;
let legacy: ApiRig;
beforeAll(async () => {
  [rig, legacy] = await Promise.all([startApiRig(), startApiRig({ FLEETWAVE_LEGACY_AGENTS: 'allow' })]);
});
afterAll(() => Promise.all([rig.close(), legacy.close()]));

interface Device {
  uuid: string;
  key: string;
}
type Headers = Record<string, string>;
const header = (key: string): Headers => ({ 'x-device-api-key': key });
const bearer = (key: string): Headers => ({ authorization: `Bearer ${key}` });
const newKey = () => randomBytes(32).toString('hex');
/** What each route takes, for the device that is spoken of; `key` is the one that is sent. */
const bodies: Record<string, (uuid: string, key: string) => object | undefined> = {
  'GET /api/v1/device/:uuid/state': () => undefined,
  'PATCH /api/v1/device/state': (uuid) => ({ [uuid]: { apps: {}, version: 99 } }),
  'POST /api/v1/device/:uuid/health': () => ({ status: 'healthy' }),
  'POST /api/v1/device/:uuid/logs': () => undefined,
  'POST /api/v1/device/:uuid/key-exchange': (uuid, key) => ({
    uuid,
    deviceApiKey: key.length < 32 || key.length > 256 ? newKey() : key,
  }),
  'POST /api/v1/device/:uuid/rotate-key': () => ({}),
};
const routes = Object.keys(bodies);

let addresses = 0;
/** From an address of its own each time, since refused requests of one address come to 429. */
function send(to: ApiRig, route: string, uuid: string, headers: Headers, key = ''): Promise<number> {
  const [method = '', path = ''] = route.split(' ');
  const body = bodies[route]?.(uuid, key);
  const text = body === undefined ? '' : JSON.stringify(body);
  addresses += 1;
  return new Promise((resolve, reject) => {
    const sent = request(
      `${to.url}${path.replace(':uuid', uuid)}`,
      {
        method,
        headers: { ...(text === '' ? {} : { 'content-type': 'application/json' }), ...headers },
        localAddress: `127.0.${String(1 + Math.floor(addresses / 200))}.${String(1 + (addresses % 200))}`,
      },
      (response) => {
        response.resume().on('end', () => {
          resolve(response.statusCode ?? 0);
        });
      },
    );
    sent.on('error', reject).end(text);
  });
}

/** What the API answers for each route, by route. */
async function statuses(ask: (route: string) => Promise<number>): Promise<Record<string, number>> {
  const entries: [string, number][] = [];
  for (const route of routes) entries.push([route, await ask(route)]);
  return Object.fromEntries(entries);
}
const all = (status: number, others: Record<string, number> = {}): Record<string, number> =>
  Object.fromEntries(routes.map((route) => [route, others[route] ?? status]));
const EXCHANGE = 'POST /api/v1/device/:uuid/key-exchange';

/** Another device's key after a rotation: the new one, the one before within its grace, and one whose grace is over. */
async function rotated(): Promise<{ now: string; inGrace: string; out: string }> {
  const device = await rig.device();
  const rotate = async () =>
    (await rig.admin('POST', `/api/v1/devices/${device.uuid}/rotate-key`, { grace_days: 7 })).json.api_key;
  const inGrace = await rotate();
  // It is used, and so it is the one that the next rotation keeps.
  expect(await send(rig, routes[0] ?? '', device.uuid, header(inGrace))).toBe(200);
  return { now: await rotate(), inGrace, out: device.key };
}

test('these are all the routes that take the key of a device', () => {
  const found = allRoutes(rig.deps).filter(({ access }) => access === 'device');
  expect(found.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()).toEqual([...routes].sort());
});

describe('a device with a key', () => {
  let victim: Device;
  beforeAll(async () => {
    victim = await rig.device();
  });

  const wrong: [string, (other: Device) => Promise<[Headers, string]>, number][] = [
    ['no key', () => Promise.resolve([{}, '']), 401],
    ['an empty key', () => Promise.resolve([header(''), '']), 401],
    ['a random key', () => one(newKey(), header), 401],
    ['a random bearer key', () => one(newKey(), bearer), 401],
    ["another device's key", (other) => one(other.key, header), 403],
    ["another device's bearer key", (other) => one(other.key, bearer), 403],
    ["another device's key after its rotation", async () => one((await rotated()).now, header), 403],
    ["another device's old key within its grace", async () => one((await rotated()).inGrace, header), 403],
    ["another device's old key after it", async () => one((await rotated()).out, header), 401],
    ['a provisioning key', async () => one(await provisioningKey(), header), 401],
    ['a provisioning key as bearer', async () => one(await provisioningKey(), bearer), 401],
    ...(['viewer', 'operator', 'admin'] as const).map((role): (typeof wrong)[number] => [
      `the token of an ${role}`,
      async () => one(await rig.token(role), bearer),
      401,
    ]),
    ["an admin's token as a device key", async () => one(await rig.token('admin'), header), 401],
    [
      "another scheme with the device's own key",
      () => one(victim.key, (key) => ({ authorization: `Basic ${key}` })),
      401,
    ],
    ['a key of 600 characters', () => one('k'.repeat(600), header), 401],
    [
      'a wrong key beside its right one as bearer',
      () => one(newKey(), (key) => ({ ...header(key), ...bearer(victim.key) })),
      401,
    ],
    ['its own key with a character more', () => one(`${victim.key}0`, header), 401],
    ['its own key in capitals', () => one(victim.key.toUpperCase(), header), 401],
  ];
  const one = (key: string, write: (key: string) => Headers): Promise<[Headers, string]> =>
    Promise.resolve([write(key), key]);
  const provisioningKey = async (): Promise<string> =>
    (await rig.admin('POST', '/api/v1/provisioning-keys', {})).json.key;

  test.each(wrong)('with %s it is neither read nor reported', async (_name, make, status) => {
    const [headers, key] = await make(await rig.device());
    expect(await statuses((route) => send(rig, route, victim.uuid, headers, key))).toEqual(all(status));
    const { json } = await rig.admin('GET', `/api/v1/devices/${victim.uuid}/current-state`);
    expect(json).toMatchObject({ reported_at: null, version: null });
  });

  test('with its own key, in either header, it is', async () => {
    const expected = all(200, { 'POST /api/v1/device/:uuid/health': 202, 'POST /api/v1/device/:uuid/logs': 202 });
    for (const write of [header, bearer]) {
      const own = await rig.device();
      expect(await statuses((route) => send(rig, route, own.uuid, write(own.key), own.key))).toEqual(expected);
    }
  });

  test('one that is switched off is served no more', async () => {
    const own = await rig.device();
    await rig.admin('PATCH', `/api/v1/devices/${own.uuid}`, { is_active: false });
    expect(await statuses((route) => send(rig, route, own.uuid, header(own.key), own.key))).toEqual(all(403));
  });

  test('a uuid that nobody has looks like a wrong key, but to a key exchange; no device comes of it', async () => {
    const count = async () => (await rig.database.pool.query('select count(*) as n from devices')).rows[0].n;
    const before = await count();
    const ask = (route: string) => {
      const key = newKey();
      return send(rig, route, randomUUID(), header(key), key);
    };
    expect(await statuses(ask)).toEqual(all(401, { [EXCHANGE]: 404 }));
    expect(await statuses((route) => send(rig, route, randomUUID(), {}))).toEqual(all(401));
    expect(await count()).toBe(before);
  });

  test('a report is of one device alone, whoever sends it', async () => {
    const own = await rig.device();
    const both = { [own.uuid]: { apps: {} }, [victim.uuid]: { apps: {} } };
    expect((await rig.call('PATCH', '/api/v1/device/state', { key: own.key, body: both })).status).toBe(422);
    expect((await rig.admin('GET', `/api/v1/devices/${victim.uuid}/current-state`)).json.reported_at).toBeNull();
  });
});

describe('a device without a key', () => {
  const keyless = async (of: ApiRig): Promise<string> =>
    (await of.admin('POST', '/api/v1/devices', { devices: [{ keyless: true }] })).json.devices[0].uuid;
  const first = { 'GET /api/v1/device/:uuid/state': 200, 'PATCH /api/v1/device/state': 200 };

  test('is not served, unless the installation says so', async () => {
    const uuid = await keyless(rig);
    expect(await statuses((route) => send(rig, route, uuid, {}))).toEqual(all(401));
  });

  test('then it polls, reports and sends its logs, and nothing else', async () => {
    const uuid = await keyless(legacy);
    const expected = all(401, { ...first, 'POST /api/v1/device/:uuid/logs': 202 });
    expect(await statuses((route) => send(legacy, route, uuid, {}))).toEqual(expected);
    expect((await legacy.admin('GET', `/api/v1/devices/${uuid}/current-state`)).json.version).toBe(99);
  });

  test('even then no key of another is good for it, nor is it served while switched off', async () => {
    const uuid = await keyless(legacy);
    const other = await legacy.device();
    expect(await statuses((route) => send(legacy, route, uuid, header(other.key), other.key))).toEqual(all(403));
    expect(await statuses((route) => send(legacy, route, uuid, header('')))).toEqual(all(401));
    await legacy.admin('PATCH', `/api/v1/devices/${uuid}`, { is_active: false });
    expect(await send(legacy, routes[0] ?? '', uuid, {})).toBe(403);
  });

  test('even then a device that has a key needs it, and an unknown uuid makes no device', async () => {
    const count = async () => (await legacy.database.pool.query('select count(*) as n from devices')).rows[0].n;
    const { uuid } = await legacy.device();
    const before = await count();
    expect(await statuses((route) => send(legacy, route, uuid, {}))).toEqual(all(401));
    expect(await statuses((route) => send(legacy, route, randomUUID(), {}))).toEqual(all(401));
    expect(await count()).toBe(before);
  });

  test('given a key, it is never served without it again', async () => {
    const uuid = await keyless(legacy);
    const { api_key: key } = (await legacy.admin('POST', `/api/v1/devices/${uuid}/rotate-key`, {})).json;
    expect(await send(legacy, routes[0] ?? '', uuid, {})).toBe(401);
    expect(await send(legacy, routes[0] ?? '', uuid, header(key))).toBe(200);
  });

  test('is warned of by /readyz, where it is served', async () => {
    const warnings = async (of: ApiRig) => (await of.call('GET', '/readyz')).json.warnings;
    expect(await warnings(rig)).toEqual([]);
    expect(await warnings(legacy)).toEqual([expect.stringContaining('FLEETWAVE_LEGACY_AGENTS=allow')]);
  });
});
