import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { allRoutes } from '../../src/api/app';
import { startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
let document: any;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
  document = (await rig.call('GET', '/openapi.json')).json;
});
afterAll(() => rig.close());

/** Every schema object of the document. */
function* schemas(node: any): Generator<any> {
  if (typeof node !== 'object' || node === null) return;
  yield node;
  for (const value of Object.values(node)) yield* schemas(value);
}

const bodySchema = (method: string, path: string) =>
  document.paths[path][method].requestBody.content['application/json'].schema;

async function takesCheck(check: object): Promise<number> {
  const policy = { image_pattern: 'redis:*', update_strategy: 'staged', health: { checks: [check] } };
  return (await rig.admin('POST', '/api/v1/image-policies', policy)).status;
}

/** For each pattern of the document, a value that must match it, and how the API is asked whether it takes the value. */
const examples: Record<string, { value: string; take: (value: string) => Promise<number> }> = {
  '^[^\\u0000-\\u001f\\u007f]*$': {
    value: 'Kasse 7 ☕ 🚀',
    take: async (value) => (await rig.admin('POST', '/api/v1/devices', { devices: [{ name: value }] })).status,
  },
  '^[!-~]*$': {
    value: 'k3y-'.repeat(8),
    take: async (value) => {
      const uuid = '3f2b8c1e-0d4a-4b6f-9a51-7c2e90d1f6aa';
      const body = { uuid, deviceName: 'shop', deviceType: 'box', deviceApiKey: value };
      const { status } = await rig.call('POST', '/api/v1/device/register', { body, token: 'no-such-key' });
      return status === 400 ? 422 : status;
    },
  },
  '^[^:\\u0000-\\u001f]{1,64}:[^\\u0000-\\u001f]{1,256}$': {
    value: 'ring:canary',
    take: async (value) => (await rig.admin('GET', `/api/v1/devices?tag=${value}`)).status,
  },
  '^\\/[!-~]*$': {
    value: '/health?deep=1',
    take: (value) => takesCheck({ kind: 'http', port: 80, path: value }),
  },
  '^[A-Za-z0-9][A-Za-z0-9._-]*$': {
    value: 'cache-warm.2',
    take: (value) => takesCheck({ kind: 'custom', name: value }),
  },
  '^([01]\\d|2[0-3]):[0-5]\\d$': {
    value: '23:59',
    take: async (value) => {
      const windows = [{ days: ['sat'], from: value, to: '05:00', timezone: 'device' }];
      const policy = { image_pattern: 'redis:*', update_strategy: 'scheduled', windows };
      return (await rig.admin('POST', '/api/v1/image-policies', policy)).status;
    },
  },
  '^\\d{1,9}(-\\d{1,9})*\\.[0-9a-f]{64}(\\+\\d{1,9}(-\\d{1,9})*\\.[0-9a-f]{64})*$': {
    value: `1-2-7.${'a'.repeat(64)}+0.${'b'.repeat(64)}`,
    take: async (value) => {
      const body = { image: 'redis', tag: '7', plan_hash: value };
      return (await rig.admin('POST', '/api/v1/images/trigger-update', body)).status;
    },
  },
};

test('every pattern compiles as JSON Schema reads it, with and without the u flag, and matches what the API accepts', async () => {
  const patterns = new Set<string>();
  for (const schema of schemas(document.paths)) if (typeof schema.pattern === 'string') patterns.add(schema.pattern);
  expect(Object.keys(examples)).toEqual(expect.arrayContaining([...patterns]));
  for (const pattern of patterns) {
    const { value, take } = examples[pattern] as (typeof examples)[string];
    for (const flags of ['', 'u']) expect([pattern, new RegExp(pattern, flags).test(value)]).toEqual([pattern, true]);
    expect(await take(value)).not.toBe(422);
    expect(new RegExp(pattern, 'u').test('a\u0007b')).toBe(false);
  }
});

test('half of a character is refused though no pattern says so', async () => {
  const raw = '{"devices": [{"name": "half \\ud83d"}]}';
  const headers = { 'content-type': 'application/json' };
  const token = await rig.token('admin');
  expect((await rig.call('POST', '/api/v1/devices', { raw, headers, token })).status).toBe(422);
});

test('what has a fixed set of values lists it', () => {
  const policy = bodySchema('post', '/api/v1/image-policies').properties;
  expect(policy.update_strategy.enum).toEqual(['auto', 'staged', 'manual', 'scheduled']);
  expect(policy.on_failure.enum).toEqual(['rollback', 'rollback_failed', 'pause', 'continue']);
  expect(policy.on_newer.enum).toEqual(['supersede', 'queue']);
  expect(policy.pin.enum).toEqual(['auto', 'tag', 'digest']);
  expect(policy.tag_rule.oneOf.map((one: any) => one.properties.kind.enum[0])).toEqual([
    'any',
    'glob',
    'regex',
    'semver',
  ]);
  const without: string[] = [];
  for (const [path, methods] of Object.entries<any>(document.paths)) {
    for (const schema of schemas(methods)) {
      for (const name of ['status', 'strategy', 'outcome', 'update_strategy', 'on_failure', 'on_newer', 'pin']) {
        const field = schema.properties?.[name];
        if (field?.type === 'string' && field.enum === undefined && !('request_id' in schema.properties))
          without.push(`${path} ${name}`);
      }
    }
  }
  expect(without).toEqual([]);
});

test('every field of a policy has a description, an example that is accepted, and the default that is in force', async () => {
  const { properties, required } = bodySchema('post', '/api/v1/image-policies');
  const policy = { image_pattern: 'redis:*', update_strategy: 'staged' };
  const inForce = (await rig.admin('POST', '/api/v1/image-policies', policy)).json;
  for (const [name, field] of Object.entries<any>(properties)) {
    expect([name, typeof field.description]).toEqual([name, 'string']);
    const { status } = await rig.admin('POST', '/api/v1/image-policies', { ...policy, [name]: field.example });
    expect([name, status]).toEqual([name, 201]);
    if (!required.includes(name)) expect([name, field.default]).toEqual([name, inForce[name]]);
  }
});

test('a change of a policy promises no defaults: what is not given stays', () => {
  const { properties } = bodySchema('patch', '/api/v1/image-policies/{id}');
  for (const field of Object.values<any>(properties)) expect(field.default).toBeUndefined();
});

test.each([
  ['post', '/api/v1/devices'],
  ['post', '/api/v1/images/trigger-update'],
  ['post', '/api/v1/device/{uuid}/health'],
  ['patch', '/api/v1/device/state'],
  ['post', '/api/v1/device/register'],
  ['post', '/api/v1/device/{uuid}/key-exchange'],
  ['post', '/api/v1/provisioning-keys'],
  ['post', '/api/v1/devices/{uuid}/rotate-key'],
])('%s %s has an example body that its own schema accepts', (method, path) => {
  const { example } = bodySchema(method, path);
  const found = allRoutes(rig.deps).find(
    (route) => route.method === method && route.path === path.replace(/\{(\w+)\}/g, ':$1'),
  );
  expect(example).toBeDefined();
  expect(found?.body?.schema?.safeParse(example).success).toBe(true);
});

test('the example of a webhook starts a rollout', async () => {
  const { example } = bodySchema('post', '/api/v1/webhooks/docker-registry');
  const reply = await rig.call('POST', '/api/v1/webhooks/docker-registry', { body: example });
  expect([reply.status, reply.json.outcome]).toEqual([202, 'started']);
});
