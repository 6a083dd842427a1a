import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { servedState } from '../../src/api/served-state';
import { ADMIN_TOKEN, startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const write = (uuid: string, body: unknown, method = 'PUT') =>
  rig.admin(method, `/api/v1/devices/${uuid}/target-state`, body);
const read = async (uuid: string) => (await rig.admin('GET', `/api/v1/devices/${uuid}/target-state`)).json;
const apps = (note: unknown) => ({ '1': { services: [], note } });

test('PUT and POST replace the state and count its version', async () => {
  const { uuid } = await rig.device();
  expect((await write(uuid, { apps: apps('a') })).json).toMatchObject({
    device_uuid: uuid,
    apps: apps('a'),
    version: 2,
  });
  expect((await write(uuid, { apps: apps('b') }, 'POST')).json).toMatchObject({ apps: apps('b'), version: 3 });
  expect(await read(uuid)).toMatchObject({
    device_uuid: uuid,
    apps: apps('b'),
    version: 3,
    updated_at: expect.stringMatching(/Z$/),
  });
});

test('if_version that is not current is refused with the current one, and nothing is written', async () => {
  const { uuid } = await rig.device();
  expect((await write(uuid, { apps: apps(1), if_version: 1 })).json.version).toBe(2);
  const conflict = await write(uuid, { apps: apps(2), if_version: 1 });
  expect([conflict.status, conflict.json.current_version]).toEqual([409, 2]);
  expect(await read(uuid)).toMatchObject({ apps: apps(1), version: 2 });
});

test('of writers with the same if_version one wins; without it each counts once', async () => {
  const { uuid } = await rig.device();
  const racing = await Promise.all(
    Array.from({ length: 20 }, (_value, index) => write(uuid, { apps: apps(index), if_version: 1 })),
  );
  expect(racing.filter((reply) => reply.status === 200)).toHaveLength(1);
  expect(racing.filter((reply) => reply.status === 409)).toHaveLength(19);
  const all = await Promise.all(Array.from({ length: 50 }, (_value, index) => write(uuid, { apps: apps(index) })));
  expect(new Set(all.map((reply) => reply.json.version)).size).toBe(50);
  expect((await read(uuid)).version).toBe(52);
});

test('what is inside apps comes back as it was: unknown keys, unicode, and numbers that JavaScript would round', async () => {
  const { uuid, key } = await rig.device();
  const text =
    '{"apps": {"1": {"services": [{"imageName": "a:1", "exact": 12345678901234567890.10, "__proto__": {"x": 1}, "ä": "\\u00e4\\n"}]}}}';
  const reply = await rig.call('PUT', `/api/v1/devices/${uuid}/target-state`, {
    raw: text,
    token: ADMIN_TOKEN,
    headers: { 'content-type': 'application/json' },
  });
  expect(reply.status).toBe(200);
  const served = await rig.call('GET', `/api/v1/device/${uuid}/state`, { key });
  for (const answer of [
    reply.text,
    (await rig.admin('GET', `/api/v1/devices/${uuid}/target-state`)).text,
    served.text,
  ]) {
    expect(answer).toContain('12345678901234567890.10');
    expect(answer).toContain('"__proto__": {"x": 1}');
    expect(answer).toContain('"ä": "ä\\n"');
  }
});

test.each([
  ['no apps', {}, 'apps'],
  ['another field', { apps: {}, config: {} }, 'config'],
  ['a version that is none', { apps: {}, if_version: -1 }, 'if_version'],
  ['services that are no list', { apps: { '1': { services: {} } } }, 'apps.1.services'],
  ['an image that is no text', { apps: { '1': { services: [{ imageName: 7 }] } } }, 'apps.1.services.0.imageName'],
])('refuses %s', async (_name, body, path) => {
  const { uuid } = await rig.device();
  const { status, json } = await write(uuid, body);
  expect([status, json.errors[0].path]).toEqual([422, path]);
});

test('refuses text and nesting that cannot be stored', async () => {
  const { uuid } = await rig.device();
  expect((await write(uuid, { apps: apps('\u0000') })).status).toBe(422);
  expect((await write(uuid, { apps: apps('\ud800') })).status).toBe(422);
  const deep = `{"apps":{"1":{"services":[],"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}}}`;
  expect(
    (
      await rig.call('PUT', `/api/v1/devices/${uuid}/target-state`, {
        raw: deep,
        token: ADMIN_TOKEN,
        headers: { 'content-type': 'application/json' },
      })
    ).status,
  ).toBe(422);
});

test('the ETag is equal exactly when the served state is', () => {
  const service = fc.record(
    { serviceName: fc.string(), imageName: fc.string(), config: fc.record({ image: fc.string() }) },
    { requiredKeys: [] },
  );
  const document = fc.dictionary(fc.string(), fc.record({ services: fc.array(service, { maxLength: 2 }) }), {
    maxKeys: 2,
  });
  fc.assert(
    fc.property(document, document, fc.nat(3), fc.nat(3), (first, second, versionOne, versionTwo) => {
      const one = servedState('u', JSON.stringify(first), versionOne);
      const two = servedState('u', JSON.stringify(second), versionTwo);
      expect(one.etag === two.etag).toBe(one.body === two.body);
      expect(servedState('u', JSON.stringify(first), versionOne).etag).toBe(one.etag);
      expect(servedState('u', JSON.stringify(first), versionOne + 1).etag).not.toBe(one.etag);
    }),
  );
});

test.each([[[]], [null], ['text'], [{ '1': null }], [{ '1': { services: [null, 'x', { config: null }] } }]])(
  'serving never fails on what others stored: %j',
  (stored) => {
    expect(JSON.parse(servedState('u', JSON.stringify(stored), 1).body)).toMatchObject({
      u: { apps: stored, version: 1 },
    });
  },
);
