import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const create = (devices: unknown) => rig.admin('POST', '/api/v1/devices', { devices });
const redis = (image: string) => ({
  apps: { '1002': { services: [{ imageName: image, config: { ports: ['6356:6379'] } }] } },
});

async function followPages(path: string, things: string): Promise<any[]> {
  const all: any[] = [];
  let cursor: string | null = null;
  do {
    const { json }: any = await rig.admin(
      'GET',
      `${path}${path.includes('?') ? '&' : '?'}limit=3${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    all.push(...json[things]);
    cursor = json.next_cursor;
  } while (cursor !== null);
  return all;
}

describe('creating devices', () => {
  test('answers uuid and key, and stores what was given', async () => {
    const uuid = randomUUID();
    const { status, json } = await create([
      {
        uuid: uuid.toUpperCase(),
        name: 'cellar',
        fleet_id: 'lab',
        tags: { ring: 'canary' },
        address: '10.0.0.7',
        timezone: 'Europe/Berlin',
        target_state: redis('redis:7'),
      },
    ]);
    expect(status).toBe(201);
    expect(json.devices).toEqual([{ uuid, api_key: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
    const device = (await rig.admin('GET', `/api/v1/devices/${uuid}`)).json;
    expect(device).toMatchObject({
      uuid,
      name: 'cellar',
      fleet_id: 'lab',
      tags: { ring: 'canary' },
      address: '10.0.0.7',
      timezone: 'Europe/Berlin',
      online: false,
      target_version: 1,
    });
    expect(JSON.stringify(device)).not.toMatch(/api_key|hash|[0-9a-f]{64}/);
    const stored = await rig.database.pool.query('select api_key_hash from devices where uuid = $1', [uuid]);
    expect(stored.rows[0].api_key_hash).toHaveLength(32);
  });

  test('10,000 in one request are one statement, all there with their states', async () => {
    const devices = Array.from({ length: 10_000 }, (_value, index) => ({
      fleet_id: 'many',
      name: `device ${index}`,
      target_state: redis(`redis:7.${index}`),
    }));
    const { pool } = rig.database;
    const before = Number((await pool.query('select count(*) as n from devices')).rows[0].n);
    let statements = 0;
    const original = pool.query.bind(pool);
    (pool as any).query = (...args: any[]) => {
      statements += 1;
      return (original as any)(...args);
    };
    const { status, json } = await create(devices);
    (pool as any).query = original;
    expect([status, statements]).toEqual([201, 1]);
    expect(new Set(json.devices.map((device: any) => device.api_key)).size).toBe(10_000);
    expect((await pool.query('select count(*) as n from devices')).rows[0].n).toBe(before + 10_000);
    const wrong = await pool.query(
      `select count(*) as n from devices d join device_target_state s on s.device_uuid = d.uuid
        where d.fleet_id = 'many' and s.apps #>> '{1002,services,0,imageName}' <> 'redis:7.' || split_part(d.name, ' ', 2)`,
    );
    expect(wrong.rows[0].n).toBe(0);
  });

  test('409 names the uuids that exist, and creates none of the others', async () => {
    const { uuid } = await rig.device();
    const fresh = randomUUID();
    const { status, json } = await create([{ uuid: fresh }, { uuid }]);
    expect([status, json.uuids]).toEqual([409, [uuid]]);
    expect((await rig.admin('GET', `/api/v1/devices/${fresh}`)).status).toBe(404);
  });

  test.each([
    ['no device', [], 'devices'],
    ['10,001 devices', Array.from({ length: 10_001 }, () => ({})), 'devices'],
    [
      'a uuid twice',
      [{ uuid: '11111111-1111-4111-8111-111111111111' }, { uuid: '11111111-1111-4111-8111-111111111111' }],
      'devices.1.uuid',
    ],
    ['no uuid', [{ uuid: 'one' }], 'devices.0.uuid'],
    ['an unknown field', [{ colour: 'red' }], 'devices.0.colour'],
    ['a time zone that is none', [{ timezone: 'Mars/Olympus' }], 'devices.0.timezone'],
    ['an offset as a time zone', [{ timezone: '+01:00' }], 'devices.0.timezone'],
    ['an address that is none', [{ address: 'http://10.0.0.7/' }], 'devices.0.address'],
    ['a tag that is no text', [{ tags: { ring: 1 } }], 'devices.0.tags.ring'],
    ['a name with a control character', [{ name: 'a\u0007' }], 'devices.0.name'],
    ['an empty name', [{ name: '' }], 'devices.0.name'],
    ['an app without services', [{ target_state: { apps: { '1': {} } } }], 'devices.0.target_state.apps.1.services'],
    ['apps as a list', [{ target_state: { apps: [] } }], 'devices.0.target_state.apps'],
    [
      'a state beyond its limit',
      [{ target_state: { apps: { '1': { services: [], note: 'x'.repeat(300_000) } } } }],
      'devices.0.target_state.apps',
    ],
  ])('refuses %s', async (_name, devices, path) => {
    const { status, json } = await create(devices);
    expect([status, json.errors[0].path]).toEqual([422, path]);
  });
});

describe('finding devices', () => {
  test('by fleet, tag and image in any form of its reference, page by page', async () => {
    const made = (
      await create([
        {
          fleet_id: 'find',
          tags: { ring: 'canary', place: 'a:b' },
          target_state: redis('registry.acme.io:5000/redis:7'),
        },
        {
          fleet_id: 'find',
          tags: { ring: 'broad' },
          target_state: { apps: { '1': { services: [{ config: { image: 'docker.io/library/mongo:6' } }] } } },
        },
        ...Array.from({ length: 5 }, () => ({ fleet_id: 'find' })),
      ])
    ).json.devices.map((device: any) => device.uuid);
    expect((await followPages('/api/v1/devices?fleet_id=find', 'devices')).map((device) => device.uuid)).toEqual(
      [...made].sort(),
    );
    const uuids = async (query: string) =>
      (await followPages(`/api/v1/devices?${query}`, 'devices')).map((device) => device.uuid);
    expect(await uuids('tag=ring:canary')).toContain(made[0]);
    expect(await uuids('fleet_id=find&tag=place:a:b')).toEqual([made[0]]);
    for (const form of ['mongo', 'library/mongo:6', 'docker.io/library/mongo', 'index.docker.io/mongo:6'])
      expect(await uuids(`image=${form}`)).toEqual([made[1]]);
    expect(await uuids('image=mongo:4')).toEqual([]);
    expect(await uuids('image=registry.acme.io:5000/redis')).toEqual([made[0]]);
    expect(await uuids('fleet_id=find&image=redis')).toEqual([]);
  });

  test('are found by tag and by digest, in either field, and no tag means latest', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const named = ['exact:7-alpine', 'exact:7', `exact:7@${digest}`, `exact@${digest}`, 'exact'];
    const devices = named.flatMap((reference) =>
      [{ imageName: reference }, { config: { image: reference } }].map((service) => ({
        target_state: { apps: { '1': { services: [{ imageName: 'other:7-alpine' }, service] } } },
      })),
    );
    const made = (await rig.admin('POST', '/api/v1/devices', { devices })).json.devices.map((one: any) => one.uuid);
    const found = async (image: string) => {
      const { json } = await rig.admin('GET', `/api/v1/devices?image=${encodeURIComponent(image)}`);
      return [...new Set(json.devices.map((one: any) => named[Math.floor(made.indexOf(one.uuid) / 2)]))].sort();
    };
    expect(await found('exact')).toEqual([...named].sort());
    expect(await found('docker.io/library/exact:7-alpine')).toEqual(['exact:7-alpine']);
    expect(await found('exact:7')).toEqual(['exact:7', `exact:7@${digest}`]);
    expect(await found(`exact@${digest}`)).toEqual([`exact:7@${digest}`, `exact@${digest}`].sort());
    expect(await found(`exact:7@${digest}`)).toEqual([`exact:7@${digest}`]);
    expect(await found('exact:latest')).toEqual(['exact']);
  });

  test.each([
    'limit=0',
    'limit=501',
    'limit=x',
    'cursor=nonsense',
    'tag=ring',
    'image=UPPER',
    'colour=red',
    'fleet_id=',
  ])('refuses ?%s', async (query) => {
    const { status, json } = await rig.admin('GET', `/api/v1/devices?${query}`);
    expect([status, json.errors[0].path]).toEqual([422, `query.${query.split('=')[0]}`]);
  });
});

describe('changing and deleting a device', () => {
  test('PATCH changes what is given, null clears', async () => {
    const { uuid } = await rig.device({ name: 'a', fleet_id: 'f', tags: { x: '1' } });
    expect((await rig.admin('PATCH', `/api/v1/devices/${uuid}`, { name: null, tags: { y: '2' } })).json).toMatchObject({
      name: null,
      fleet_id: 'f',
      tags: { y: '2' },
    });
    expect((await rig.admin('PATCH', `/api/v1/devices/${uuid}`, {})).status).toBe(422);
    expect((await rig.admin('PATCH', `/api/v1/devices/${uuid}`, { uuid })).status).toBe(422);
  });

  test('404 for an unknown device, on every route', async () => {
    const base = `/api/v1/devices/${randomUUID()}`;
    const replies = await Promise.all([
      rig.admin('GET', base),
      rig.admin('PATCH', base, { name: 'x' }),
      rig.admin('DELETE', base),
      rig.admin('PUT', `${base}/target-state`, { apps: {} }),
      rig.admin('GET', `${base}/target-state`),
      rig.admin('GET', `${base}/current-state`),
      rig.admin('GET', `${base}/timeline`),
    ]);
    expect(replies.map((reply) => reply.status)).toEqual(replies.map(() => 404));
  });

  test('a device that a rollout works on is not deleted; one that is free is', async () => {
    const { uuid } = await rig.device();
    const { rows } = await rig.database.pool.query(
      `insert into image_rollouts (image, image_name, registry, repository, tag, revision, strategy, rules, trigger, actor, workflow_id)
       values ('docker.io/library/redis', 'redis', 'docker.io', 'library/redis', '7', 'r', 'staged', '{}', 'manual', 'test', 'w') returning id`,
    );
    await rig.database.pool.query(
      `insert into device_rollout_status (rollout_id, device_uuid, image, batch) values ($1, $2, 'docker.io/library/redis', 1)`,
      [rows[0].id, uuid],
    );
    const refused = await rig.admin('DELETE', `/api/v1/devices/${uuid}`);
    expect([refused.status, refused.json.rollouts]).toEqual([409, [rows[0].id]]);
    await rig.database.pool.query('update device_rollout_status set active = false where device_uuid = $1', [uuid]);
    expect((await rig.admin('DELETE', `/api/v1/devices/${uuid}`)).status).toBe(204);
    expect((await rig.admin('GET', `/api/v1/devices/${uuid}`)).status).toBe(404);
  });

  test('the timeline is newest first, page by page', async () => {
    const { uuid } = await rig.device();
    await rig.database.pool.query(
      `insert into rollout_events (rollout_id, type, device_uuid, data) select r.id, 'device.note', $1, jsonb_build_object('n', n) from (select id from image_rollouts limit 1) r, generate_series(1, 7) n`,
      [uuid],
    );
    const events = await followPages(`/api/v1/devices/${uuid}/timeline`, 'events');
    expect(events.map((event) => event.data.n)).toEqual([7, 6, 5, 4, 3, 2, 1]);
  });
});
