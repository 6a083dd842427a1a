import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

// An address of its own for each group: refused requests count against it.
let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const newKey = () => randomBytes(32).toString('hex');
const provisioning = async (fields: object = {}): Promise<{ id: string; key: string }> =>
  (await rig.admin('POST', '/api/v1/provisioning-keys', { fleet_id: 'north', ...fields })).json;
const bodyOf = (fields: object = {}) => ({
  uuid: randomUUID(),
  deviceName: 'shop-17',
  deviceType: 'raspberrypi4',
  deviceApiKey: newKey(),
  ...fields,
});
const register = (key: string, body: object): Promise<Reply> =>
  rig.call('POST', '/api/v1/device/register', { token: key, body });
const registeredWith = async (id: string): Promise<number> =>
  (await rig.database.pool.query('select registered from provisioning_keys where id = $1', [id])).rows[0].registered;
/** Sixth refusals would be 429: what a test is about is asked of a rig that has refused nothing yet. */
const fresh = async (): Promise<void> => {
  await rig.close();
  rig = await startApiRig();
};

describe('registering', () => {
  test('answers what both generations read, and the device can poll with its key', async () => {
    const { id, key } = await provisioning();
    const body = bodyOf({ applicationId: 7, macAddress: null, osVersion: 'Debian 12', agentVersion: '2.0', more: 1 });
    const { status, json } = await register(key, body);
    expect(status).toBe(200);
    expect(json).toEqual({
      ...{ id: body.uuid, uuid: body.uuid, deviceName: 'shop-17', deviceType: 'raspberrypi4' },
      ...{ applicationId: '7', fleetId: 'north', createdAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      mqtt: { username: body.uuid, password: '', broker: '', topics: { publish: [], subscribe: [] } },
    });
    const path = `/api/v1/device/${body.uuid}/state`;
    expect((await rig.call('GET', path, { key: body.deviceApiKey })).json[body.uuid].apps).toEqual({});
    expect((await rig.admin('GET', `/api/v1/devices/${body.uuid}`)).json).toMatchObject({
      ...{ name: 'shop-17', fleet_id: 'north', has_key: true, target_version: 1 },
      registration: {
        ...{ device_type: 'raspberrypi4', application_id: '7', os_version: 'Debian 12', agent_version: '2.0' },
      },
    });
    expect(await registeredWith(id)).toBe(1);
  });

  test('again with the same keys, as after a lost answer, is answered the same and not counted', async () => {
    const { id, key } = await provisioning({ max_devices: 1 });
    const body = bodyOf();
    const first = await register(key, body);
    const again = await register(key, body);
    expect([again.status, again.json]).toEqual([200, first.json]);
    expect(await registeredWith(id)).toBe(1);
  });

  test('the same device twice at the same moment is one device', async () => {
    const { id, key } = await provisioning();
    const body = bodyOf();
    const replies = await Promise.all(Array.from({ length: 8 }, () => register(key, body)));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await registeredWith(id)).toBe(1);
  });

  test('with two provisioning keys at the same moment too', async () => {
    const keys = await Promise.all([provisioning(), provisioning()]);
    const body = bodyOf();
    const replies = await Promise.all(keys.map(({ key }) => register(key, body)));
    expect(replies.some(({ status }) => status === 200)).toBe(true);
    expect((await registeredWith(keys[0].id)) + (await registeredWith(keys[1].id))).toBe(1);
  });
});

describe('a limit', () => {
  test('holds however many register at once', async () => {
    const { id, key } = await provisioning({ max_devices: 5 });
    const replies = await Promise.all(Array.from({ length: 20 }, () => register(key, bodyOf())));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(5);
    // The rest is told so, and does not run into the table's own check.
    expect(replies.every(({ status }) => [200, 401, 429].includes(status))).toBe(true);
    expect(await registeredWith(id)).toBe(5);
    const { rows } = await rig.database.pool.query('select count(*) as n from devices where provisioning_key_id = $1', [
      id,
    ]);
    expect(rows[0].n).toBe(5);
    await fresh();
  });

  test('that is not reached lets a hundred devices of one address in', async () => {
    const { key } = await provisioning();
    const statuses: number[] = [];
    for (let count = 0; count < 100; count += 1) statuses.push((await register(key, bodyOf())).status);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});

describe('is refused', () => {
  test.each([
    ['without a provisioning key', async () => rig.call('POST', '/api/v1/device/register', { body: bodyOf() }), 401],
    ['with an unknown one', () => register(newKey(), bodyOf()), 401],
    ['with an operator token', async () => register(await rig.token('admin'), bodyOf()), 401],
    ["with a device's key", async () => register((await rig.device()).key, bodyOf()), 401],
    [
      'with a revoked one',
      async () => {
        const { id, key } = await provisioning();
        await rig.admin('DELETE', `/api/v1/provisioning-keys/${id}`);
        return register(key, bodyOf());
      },
      401,
    ],
    [
      'with one that has expired',
      async () => {
        const { id, key } = await provisioning();
        await rig.database.pool.query(
          "update provisioning_keys set expires_at = now() - interval '1 second' where id = $1",
          [id],
        );
        return register(key, bodyOf());
      },
      401,
    ],
    [
      'with one that is used up',
      async () => {
        const { key } = await provisioning({ max_devices: 1 });
        await register(key, bodyOf());
        return register(key, bodyOf());
      },
      401,
    ],
    [
      'of a uuid that is there with another key',
      async () => {
        const { key } = await provisioning();
        return register(key, bodyOf({ uuid: (await rig.device({ fleet_id: 'north' })).uuid }));
      },
      409,
    ],
    [
      "with another device's key",
      async () => {
        const { key } = await provisioning();
        return register(key, bodyOf({ deviceApiKey: (await rig.device()).key }));
      },
      409,
    ],
    [
      'of a device that is switched off',
      async () => {
        const { key } = await provisioning();
        const body = bodyOf();
        await register(key, body);
        await rig.admin('PATCH', `/api/v1/devices/${body.uuid}`, { is_active: false });
        return register(key, body);
      },
      409,
    ],
    ['without a uuid', async () => register((await provisioning()).key, { ...bodyOf(), uuid: undefined }), 400],
    ['with a short key', async () => register((await provisioning()).key, bodyOf({ deviceApiKey: 'short' })), 400],
    [
      'with the provisioning key as its own',
      async () => {
        const { key } = await provisioning();
        return register(key, bodyOf({ deviceApiKey: key }));
      },
      400,
    ],
  ])('%s', async (_name, act, status) => {
    await fresh();
    const devices = async () => (await rig.database.pool.query('select count(*) as n from devices')).rows[0].n;
    const reply = await act();
    expect([reply.status, reply.json.status]).toEqual([status, status]);
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    // Nothing that was refused left a device behind: those there are were made by the case itself.
    expect(await devices()).toBe(
      (await rig.database.pool.query('select count(*) as n from devices where api_key_hash is not null')).rows[0].n,
    );
  });
});

describe('a device that an operator made without a key', () => {
  const keyless = async (fields: object): Promise<string> => {
    const { json } = await rig.admin('POST', '/api/v1/devices', { devices: [{ keyless: true, ...fields }] });
    expect(json.devices).toEqual([{ uuid: expect.any(String), api_key: null }]);
    return json.devices[0].uuid;
  };

  test('is claimed by a provisioning key of its fleet, once, and keeps what the operator said of it', async () => {
    await fresh();
    const apps = { '1': { services: [{ serviceId: 1, imageName: 'redis:7' }] } };
    const uuid = await keyless({ fleet_id: 'north', name: 'the till', target_state: { apps } });
    const { id, key } = await provisioning();
    const body = bodyOf({ uuid });
    expect((await register(key, body)).json).toMatchObject({ uuid, deviceName: 'the till', fleetId: 'north' });
    expect(await registeredWith(id)).toBe(1);
    const state = await rig.call('GET', `/api/v1/device/${uuid}/state`, { key: body.deviceApiKey });
    expect(state.json[uuid].apps).toEqual(apps);
    expect((await register(key, bodyOf({ uuid }))).status).toBe(409);
  });

  test.each([
    ['of another fleet', { fleet_id: 'south' }],
    ['of no fleet', {}],
  ])('%s is not', async (_name, fields) => {
    const uuid = await keyless(fields);
    expect((await register((await provisioning()).key, bodyOf({ uuid }))).status).toBe(409);
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).json.has_key).toBe(false);
  });

  test('is not once the key is used up, or the device is switched off', async () => {
    const { key } = await provisioning({ max_devices: 1 });
    await register(key, bodyOf());
    expect((await register(key, bodyOf({ uuid: await keyless({ fleet_id: 'north' }) }))).status).toBe(401);
    const off = await keyless({ fleet_id: 'north' });
    await rig.admin('PATCH', `/api/v1/devices/${off}`, { is_active: false });
    expect((await register((await provisioning()).key, bodyOf({ uuid: off }))).status).toBe(409);
    await fresh();
  });
});

describe('exchanging keys', () => {
  const exchange = (uuid: string, token: string, body: object) =>
    rig.call('POST', `/api/v1/device/${uuid}/key-exchange`, { token, body });

  test('confirms the device, as often as it asks', async () => {
    const body = bodyOf();
    await register((await provisioning()).key, body);
    for (let count = 0; count < 12; count += 1) {
      const { status, json } = await exchange(body.uuid, body.deviceApiKey, body);
      expect([status, json]).toEqual([
        200,
        {
          status: 'ok',
          message: expect.any(String),
          device: { id: body.uuid, uuid: body.uuid, deviceName: 'shop-17' },
        },
      ]);
    }
  });

  test('is refused where header, body and path do not agree, or there is no such device', async () => {
    const body = bodyOf();
    await register((await provisioning()).key, body);
    const other = newKey();
    const statuses = [
      await exchange(body.uuid, other, { ...body, deviceApiKey: other }),
      await exchange(body.uuid, other, body),
      await exchange(body.uuid, body.deviceApiKey, { uuid: randomUUID(), deviceApiKey: body.deviceApiKey }),
      await exchange(body.uuid, body.deviceApiKey, { uuid: body.uuid }),
      await exchange(randomUUID(), body.deviceApiKey, body),
    ].map(({ status }) => status);
    const unknown = randomUUID();
    statuses.push((await exchange(unknown, other, { uuid: unknown, deviceApiKey: other })).status);
    expect(statuses).toEqual([401, 401, 400, 400, 400, 404]);
  });

  test('the eleventh refusal of an hour is 429, and says when to come back', async () => {
    await fresh();
    const body = bodyOf();
    await register((await provisioning()).key, body);
    const other = newKey();
    const statuses: number[] = [];
    let last: Reply | undefined;
    for (let count = 0; count < 11; count += 1) {
      last = await exchange(body.uuid, other, { ...body, deviceApiKey: other });
      statuses.push(last.status);
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429]);
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
    // Whoever has the right key is not kept out by them.
    expect((await exchange(body.uuid, body.deviceApiKey, body)).status).toBe(200);
  });
});

test('the sixth refused registration of an address is 429; one with a good key passes', async () => {
  await fresh();
  const statuses: number[] = [];
  for (let count = 0; count < 6; count += 1) statuses.push((await register(newKey(), bodyOf())).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  expect((await register((await provisioning()).key, bodyOf())).status).toBe(200);
});

describe('a provisioning key for the first generation', () => {
  let legacy: ApiRig;
  beforeAll(async () => {
    legacy = await startApiRig({ FLEETWAVE_LEGACY_AGENTS: 'allow' });
  });
  afterAll(() => legacy.close());

  test('is made only where such agents are served', async () => {
    const asked = await rig.admin('POST', '/api/v1/provisioning-keys', { keyless: true });
    expect([asked.status, asked.json.errors[0].path]).toEqual([422, 'keyless']);
  });

  test('registers devices without a key, again as before, and confirms them', async () => {
    const { id, key } = (await legacy.admin('POST', '/api/v1/provisioning-keys', { keyless: true })).json;
    const body = bodyOf();
    const once = () => legacy.call('POST', '/api/v1/device/register', { token: key, body });
    expect([(await once()).status, (await once()).status]).toEqual([200, 200]);
    const { rows } = await legacy.database.pool.query('select registered from provisioning_keys where id = $1', [id]);
    expect(rows).toEqual([{ registered: 1 }]);
    const path = `/api/v1/device/${body.uuid}`;
    const exchanged = await legacy.call('POST', `${path}/key-exchange`, { token: body.deviceApiKey, body });
    expect(exchanged.status).toBe(200);
    expect((await legacy.call('GET', `${path}/state`)).status).toBe(200);
    expect((await legacy.admin('GET', `/api/v1/devices/${body.uuid}`)).json.has_key).toBe(false);
    const other = (await legacy.admin('POST', '/api/v1/provisioning-keys', { keyless: true, fleet_id: 'x' })).json.key;
    expect((await legacy.call('POST', '/api/v1/device/register', { token: other, body })).status).toBe(409);
  });
});
