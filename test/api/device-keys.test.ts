import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const DAY_MS = 86_400_000;
const poll = async (uuid: string, key: string): Promise<number> =>
  (await rig.call('GET', `/api/v1/device/${uuid}/state`, { key })).status;
const rotate = (uuid: string, key: string) => rig.call('POST', `/api/v1/device/${uuid}/rotate-key`, { key });
const rotateAsAdmin = (uuid: string, body?: object) => rig.admin('POST', `/api/v1/devices/${uuid}/rotate-key`, body);
const graceIsOver = (uuid: string) =>
  rig.database.pool.query("update devices set previous_key_until = now() - interval '1 second' where uuid = $1", [
    uuid,
  ]);

describe('a device that asks for a new key', () => {
  test('may use both for seven days, then the new one alone', async () => {
    const { uuid, key } = await rig.device();
    const { status, json } = await rotate(uuid, key);
    expect(status).toBe(200);
    expect(json).toEqual({
      ...{ uuid, api_key: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ...{ previous_key_until: expect.any(String), rotate_by: expect.any(String) },
    });
    expect(Date.parse(json.rotate_by) - Date.parse(json.previous_key_until)).toBe(83 * DAY_MS);
    expect([await poll(uuid, json.api_key), await poll(uuid, key), await poll(uuid, json.api_key)]).toEqual([
      200, 200, 200,
    ]);
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).json).toMatchObject({
      key_rotated_at: expect.any(String),
      previous_key_until: json.previous_key_until,
    });
    await graceIsOver(uuid);
    expect([await poll(uuid, json.api_key), await poll(uuid, key)]).toEqual([200, 401]);
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).json.previous_key_until).toBeNull();
  });

  test('asks again with the old one where the answer was lost, and loses nothing', async () => {
    const { uuid, key } = await rig.device();
    const lost = (await rotate(uuid, key)).json.api_key;
    const second = await rotate(uuid, key);
    expect(second.status).toBe(200);
    expect([await poll(uuid, key), await poll(uuid, lost), await poll(uuid, second.json.api_key)]).toEqual([
      200, 401, 200,
    ]);
  });

  test('cannot ask with the old one once the new one was used: whoever has that one may be a thief', async () => {
    const { uuid, key } = await rig.device();
    const fresh = (await rotate(uuid, key)).json.api_key;
    expect(await poll(uuid, fresh)).toBe(200);
    expect((await rotate(uuid, key)).status).toBe(409);
    expect((await rotate(uuid, fresh)).status).toBe(200);
    // Its last rotation kept the one that it used: the first is out.
    expect([await poll(uuid, fresh), await poll(uuid, key)]).toEqual([200, 401]);
  });

  test('twice at the same moment has one new key and its old one', async () => {
    const { uuid, key } = await rig.device();
    const replies = await Promise.all([rotate(uuid, key), rotate(uuid, key)]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    const works = await Promise.all(replies.map(({ json }) => poll(uuid, json.api_key)));
    expect(works.sort()).toEqual([200, 401]);
    expect(await poll(uuid, key)).toBe(200);
  });
});

describe('an admin who makes a new key', () => {
  test('leaves the old one its grace, or none where it has leaked', async () => {
    const { uuid, key } = await rig.device();
    const first = (await rotateAsAdmin(uuid)).json;
    expect([await poll(uuid, key), await poll(uuid, first.api_key)]).toEqual([200, 200]);
    const second = (await rotateAsAdmin(uuid, { grace_days: 0 })).json;
    expect(second.previous_key_until).toBeNull();
    expect([await poll(uuid, key), await poll(uuid, first.api_key), await poll(uuid, second.api_key)]).toEqual([
      401, 401, 200,
    ]);
  });

  test('may do so twice before the device has any of them: its own key goes on', async () => {
    const { uuid, key } = await rig.device();
    await rotateAsAdmin(uuid);
    const { api_key: second } = (await rotateAsAdmin(uuid)).json;
    expect([await poll(uuid, key), await poll(uuid, second)]).toEqual([200, 200]);
  });

  test('needs the role, a device, and a grace of thirty days at most', async () => {
    const { uuid } = await rig.device();
    const path = `/api/v1/devices/${uuid}/rotate-key`;
    expect((await rig.call('POST', path, { token: await rig.token('operator'), body: {} })).status).toBe(403);
    expect((await rotateAsAdmin('3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa')).status).toBe(404);
    expect((await rotateAsAdmin(uuid, { grace_days: 31 })).status).toBe(422);
  });
});

test('a poll with a key that is known costs one statement, also during a grace; the first with a new one costs two', async () => {
  const { uuid, key } = await rig.device();
  const { api_key: fresh } = (await rotate(uuid, key)).json;
  const { pool } = rig.database;
  const original = pool.query.bind(pool);
  let statements = 0;
  (pool as any).query = (...args: unknown[]) => {
    statements += 1;
    return (original as any)(...args);
  };
  const counted: number[] = [];
  try {
    for (const one of [key, fresh, fresh, key]) {
      statements = 0;
      await poll(uuid, one);
      counted.push(statements);
    }
  } finally {
    (pool as any).query = original;
  }
  expect(counted).toEqual([1, 2, 1, 1]);
});

describe('logs', () => {
  test.each([
    [
      'compressed, as the agent of November 2025 sends them',
      { 'content-encoding': 'gzip' },
      gzipSync('{"message":"hi"}\n'),
    ],
    ['that are no gzip', { 'content-encoding': 'gzip' }, '{"message":"hi"}\n'],
    ['plain', {}, '{"message":"hi"}\n'],
    ['of eight megabytes', {}, Buffer.alloc(8 << 20, '\n')],
    ['without a body', {}, ''],
  ])('%s are taken and thrown away, and the connection goes on', async (_name, headers, raw) => {
    const { uuid, key } = await rig.device();
    for (let count = 0; count < 2; count += 1) {
      const reply = await rig.call('POST', `/api/v1/device/${uuid}/logs`, {
        key,
        raw,
        headers: { 'content-type': 'application/x-ndjson', ...headers },
      });
      expect([reply.status, reply.json]).toEqual([202, { status: 'discarded' }]);
    }
    expect(await poll(uuid, key)).toBe(200);
  });
});
