import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { HttpProblem } from '../../src/api/problem';
import { startApiRig, type ApiRig } from './api-rig';

const appsA = {
  '1001': {
    appName: 'web',
    services: [{ serviceId: 1, serviceName: 'nginx', config: { image: 'nginx:1.25', ports: ['80:80'] } }],
  },
};
const appsB = { '1002': { services: [{ imageName: 'redis:7-alpine', config: { ports: ['6356:6379'] } }] } };

/** Beside the apps, as the original's later server has it. */
const also = { config: {}, needs_deployment: false, last_deployed_at: null };

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const poll = (uuid: string, key: string, headers: Record<string, string> = {}) =>
  rig.call('GET', `/api/v1/device/${uuid}/state`, { key, headers });
const report = (key: string, body: unknown) => rig.call('PATCH', '/api/v1/device/state', { key, body });

describe('polling', () => {
  test("serves the state under the device's own uuid, with its version", async () => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsB } });
    const { status, json } = await poll(uuid, key);
    expect(status).toBe(200);
    expect(json).toEqual({ [uuid]: { apps: appsB, version: 1, ...also } });
  });

  test('fills imageName from config.image and changes nothing of what is stored', async () => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsA } });
    expect((await poll(uuid, key)).json[uuid].apps['1001'].services[0]).toEqual({
      ...appsA['1001'].services[0],
      imageName: 'nginx:1.25',
    });
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}/target-state`)).json.apps).toEqual(appsA);
  });

  test('a device without target state is served an empty one', async () => {
    const { uuid, key } = await rig.device();
    expect((await poll(uuid, key)).json).toEqual({ [uuid]: { apps: {}, version: 1, ...also } });
  });

  test.each([
    ['quoted', (tag: string) => `"${tag}"`],
    ['unquoted', (tag: string) => tag],
    ['weak', (tag: string) => `W/"${tag}"`],
    ['in a list', (tag: string) => `"other", "${tag}"`],
    ['any', () => '*'],
  ])('answers 304 to an if-none-match that is %s, although no-cache is asked for', async (_form, write) => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsB } });
    const etag = (await poll(uuid, key)).headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    const again = await poll(uuid, key, {
      'if-none-match': write(etag.replaceAll('"', '')),
      'cache-control': 'no-cache',
      pragma: 'no-cache',
    });
    expect(again.status).toBe(304);
    expect(again.text).toBe('');
    expect(again.headers.get('etag')).toBe(etag);
  });

  test('answers 200 to another tag, and a new tag after a write, even of the same apps', async () => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsB } });
    const first = (await poll(uuid, key)).headers.get('etag') ?? '';
    expect((await poll(uuid, key, { 'if-none-match': '"other"' })).status).toBe(200);
    await rig.admin('PUT', `/api/v1/devices/${uuid}/target-state`, { apps: appsB });
    const second = await poll(uuid, key, { 'if-none-match': first });
    expect(second.status).toBe(200);
    expect(second.headers.get('etag')).not.toBe(first);
  });

  test('a poll is one statement and writes nothing', async () => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsB } });
    // A row that is written gets another place and another writer.
    const rows = async () =>
      (
        await rig.database.pool.query(
          `select d.ctid::text || d.xmin::text as device, s.ctid::text || s.xmin::text as target, c.device_uuid as report
             from devices d join device_target_state s on s.device_uuid = d.uuid left join device_current_state c on c.device_uuid = d.uuid
            where d.uuid = $1`,
          [uuid],
        )
      ).rows;
    await poll(uuid, key);
    const statements: string[] = [];
    const { pool } = rig.database;
    const before = await rows();
    const original = pool.query.bind(pool);
    (pool as any).query = (...args: any[]) => {
      statements.push(args[0].text ?? args[0]);
      return (original as any)(...args);
    };
    for (let count = 0; count < 10; count += 1) await poll(uuid, key);
    (pool as any).query = original;
    expect(statements).toHaveLength(10);
    expect(statements.every((statement) => statement.trim().startsWith('select'))).toBe(true);
    expect(await rows()).toEqual(before);
  });

  test('last_seen_at is written in groups, and the device is online at once', async () => {
    const { uuid, key } = await rig.device();
    const read = async () =>
      (await rig.database.pool.query('select last_seen_at from devices where uuid = $1', [uuid])).rows[0].last_seen_at;
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).json).toMatchObject({
      online: false,
      last_seen_at: null,
    });
    await poll(uuid, key);
    expect(await read()).toBeNull();
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).json.online).toBe(true);
    await rig.deps.lastSeen.flush();
    expect(await read()).toBeInstanceOf(Date);
  });
});

describe('who may poll and report', () => {
  const routes = [
    ['poll', (uuid: string, key: string) => poll(uuid, key)],
    ['report', (uuid: string, key: string) => report(key, { [uuid]: { apps: {} } })],
    [
      'health',
      (uuid: string, key: string) =>
        rig.call('POST', `/api/v1/device/${uuid}/health`, { key, body: { status: 'healthy' } }),
    ],
  ] as const;

  test.each(routes)('%s: a device may not act for another (403), nor may a stranger (401)', async (_name, act) => {
    const one = await rig.device();
    const other = await rig.device();
    expect((await act(one.uuid, one.key)).status).toBeLessThan(300);
    expect((await act(one.uuid, other.key)).status).toBe(403);
    const wrong = await act(one.uuid, 'f'.repeat(64));
    const unknown = await act('11111111-1111-4111-8111-111111111111', 'f'.repeat(64));
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect({ ...wrong.json, request_id: '' }).toEqual({ ...unknown.json, request_id: '' });
    expect((await rig.call('GET', `/api/v1/device/${one.uuid}/state`)).status).toBe(401);
  });

  test("the key may come as a bearer token; an operator's token is no key", async () => {
    const { uuid, key } = await rig.device();
    expect((await rig.call('GET', `/api/v1/device/${uuid}/state`, { token: key })).status).toBe(200);
    expect((await rig.call('GET', `/api/v1/device/${uuid}/state`, { token: await rig.token('admin') })).status).toBe(
      401,
    );
    expect((await rig.call('GET', '/api/v1/devices', { token: key })).status).toBe(401);
  });

  test('an unknown uuid never creates a device, and a switched-off one is refused', async () => {
    const count = async () => (await rig.database.pool.query('select count(*) as n from devices')).rows[0].n;
    const { uuid, key } = await rig.device();
    const before = await count();
    await poll('22222222-2222-4222-8222-222222222222', key);
    await report(key, { '22222222-2222-4222-8222-222222222222': { apps: {} } });
    expect(await count()).toBe(before);
    await rig.admin('PATCH', `/api/v1/devices/${uuid}`, { is_active: false });
    expect((await poll(uuid, key)).status).toBe(403);
  });
});

describe('reporting', () => {
  const current = async (uuid: string) => (await rig.admin('GET', `/api/v1/devices/${uuid}/current-state`)).json;

  test('stores apps, version and the rest; without apps, what is stored stays; an empty apps is a report', async () => {
    const { uuid, key } = await rig.device();
    const apps = { '1002': { services: [{ serviceId: 2, imageName: 'redis:7', status: 'running' }] } };
    expect((await report(key, { [uuid]: { apps, version: 3, os_version: 'Debian 12', uptime: 12.5 } })).json).toEqual({
      status: 'ok',
    });
    expect(await current(uuid)).toMatchObject({
      device_uuid: uuid,
      apps,
      version: 3,
      online: true,
      info: { os_version: 'Debian 12', uptime: 12.5 },
    });
    await report(key, { [uuid]: { uptime: 13 } });
    expect((await current(uuid)).apps).toEqual(apps);
    await report(key, { [uuid]: { apps: {} } });
    expect((await current(uuid)).apps).toEqual({});
  });

  test('takes gzip, and refuses one that unfolds beyond the limit', async () => {
    const { uuid, key } = await rig.device();
    const send = (value: unknown) =>
      rig.call('PATCH', '/api/v1/device/state', {
        key,
        raw: gzipSync(JSON.stringify(value)),
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      });
    expect((await send({ [uuid]: { apps: {}, agent_version: '2.0' } })).status).toBe(200);
    const bomb = await send({ [uuid]: { apps: {}, filler: 'x'.repeat(2_000_000) } });
    expect(bomb.status).toBe(413);
  });

  test.each([
    ['two devices', (uuid: string) => ({ [uuid]: {}, '33333333-3333-4333-8333-333333333333': {} })],
    ['no device', () => ({})],
    ['no uuid', () => ({ device: {} })],
    ['apps of a wrong type', (uuid: string) => ({ [uuid]: { apps: [] } })],
    ['a list', () => []],
  ])('refuses %s', async (_name, make) => {
    const { uuid, key } = await rig.device();
    const reply = await report(key, make(uuid));
    expect(reply.status).toBe(422);
    expect(reply.json.errors.length).toBeGreaterThan(0);
  });

  test('a health word is accepted, an unknown status or field is not', async () => {
    const { uuid, key } = await rig.device();
    const send = (body: unknown) => rig.call('POST', `/api/v1/device/${uuid}/health`, { key, body });
    expect(
      (await send({ status: 'failed', app_id: 1002, service: 'redis', image: 'redis:7', message: 'exit 1' })).status,
    ).toBe(202);
    expect((await send({ status: 'fine' })).json.errors[0].path).toBe('status');
    expect((await send({ status: 'healthy', extra: 1 })).json.errors).toEqual([
      { path: 'extra', message: 'unknown field' },
    ]);
  });
});

describe('many at once', () => {
  test('reports that come together cost a few statements; a bad one is refused alone', async () => {
    const devices = await Promise.all(Array.from({ length: 40 }, () => rig.device({ target_state: { apps: appsB } })));
    const good = { apps: appsB, version: 1 };
    // PostgreSQL cannot hold it, and only PostgreSQL finds out.
    const bad = { ...good, note: '\ud800' };
    const bodies = devices.map(({ uuid }, place) => ({ [uuid]: place === 7 ? bad : good }));
    const query = jest.spyOn(rig.database.pool, 'query');
    const answers = await Promise.all(devices.map(({ key }, place) => report(key, bodies[place])));
    const statuses = answers.map(({ status }) => status);
    const statements = query.mock.calls.length;
    query.mockRestore();
    expect(statuses.map((status, place) => (place === 7 ? [422, 400].includes(status) : status === 200))).toEqual(
      devices.map(() => true),
    );
    // One by one it would be 80 and more; those that shared the bad one's group were done alone.
    expect(statements).toBeLessThan(80);
    const { rows } = await rig.database.pool.query(
      'select count(*)::int as n from device_current_state where device_uuid = any ($1)',
      [devices.map(({ uuid }) => uuid)],
    );
    expect(rows[0].n).toBe(39);
  });

  test('more than can wait is refused with 503 and when to come again, before its body is looked at', async () => {
    const { uuid, key } = await rig.device({ target_state: { apps: appsB } });
    const { reports, polls } = rig.deps.intake;
    const full = () => {
      throw new HttpProblem(503, 'overloaded', 'too much', { headers: { 'retry-after': '5' } });
    };
    const [restOfReports, restOfPolls] = [reports.assertRoom, polls.assertRoom];
    Object.assign(reports, { assertRoom: full });
    Object.assign(polls, { assertRoom: full });
    try {
      const refused = await Promise.all([report(key, 'not json'), poll(uuid, key)]);
      expect(refused.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
        [503, '5'],
        [503, '5'],
      ]);
    } finally {
      Object.assign(reports, { assertRoom: restOfReports });
      Object.assign(polls, { assertRoom: restOfPolls });
    }
    expect((await report(key, { [uuid]: { apps: appsB } })).status).toBe(200);
  });
});
