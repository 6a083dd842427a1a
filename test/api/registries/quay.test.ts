import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { addPolicy } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  expectNothingPushed,
  expectRefused,
  expectUnreadable,
  expectUnusable,
  forgetDeliveries,
  json,
  PREVIOUS,
  pushOf,
  SECRET,
  startRegistryRig,
  understood,
  withPrototypeKeys,
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('quay', { kind: 'quay', secrets: [SECRET, PREVIOUS] });
  await rig.source('inside', { kind: 'quay', secrets: [SECRET], registry_host: 'quay.inside.io:8443' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const body = (fields: object = {}): object => ({
  ...{ repository: 'acme/api', namespace: 'acme', name: 'api', docker_url: 'quay.io/acme/api' },
  ...{ homepage: 'https://quay.io/repository/acme/api', updated_tags: ['1.4.2'] },
  ...fields,
});
const deliver = (what: string | Buffer | object, source = 'quay') =>
  rig.deliver(source, what, json, `?secret=${SECRET}`);
const api = pushOf({ registry: 'quay.io', repository: 'acme/api', tag: '1.4.2' });
const tagged = (...tags: string[]): ReturnType<typeof pushOf> => ({
  status: 202,
  results: tags.flatMap((tag) => api.results.map((one) => ({ ...one, tag }))),
});

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of one tag', body(), api],
  ['of several tags', body({ updated_tags: ['1.4.2', 'latest', 'V1'] }), tagged('1.4.2', 'latest', 'V1')],
  ['of a tag that is named twice', body({ updated_tags: ['latest', 'latest'] }), tagged('latest')],
  [
    'by tag and image id, as long ago',
    body({ updated_tags: { latest: 'b750fe79', 'v-1': 'c0' } }),
    tagged('latest', 'v-1'),
  ],
  ['by the Test button', body({ updated_tags: ['latest', 'foo'], pruned_image_count: 3 }), tagged('latest', 'foo')],
  ['with odd tags among the others', body({ updated_tags: [null, '1.4.2', 7, ''] }), api],
  ['without its whole name', body({ repository: undefined }), api],
  [
    'of a registry of its own',
    body({ docker_url: 'quay.example.com:8443/acme/api' }),
    pushOf({ ...api.results[0], registry: 'quay.example.com:8443' }),
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
  [
    'of a tag that is called like a prototype',
    '{"updated_tags": {"__proto__": "a"}, "repository": "acme/api", "docker_url": "quay.io/acme/api"}',
    tagged('__proto__'),
  ],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test("the operator's host goes before the event's", async () => {
  const reply = await deliver(body({ docker_url: 'evil.io/acme/api' }), 'inside');
  expect(understood(reply).results).toEqual([{ ...api.results[0], registry: 'quay.inside.io:8443' }]);
});

test('the same body is a repetition for a minute, then a new push that starts a rollout of its own', async () => {
  const { pool } = rig.database;
  const policy = await addPolicy(pool, 'quay.io/acme/api:*');
  try {
    const first = (await deliver(body())).json;
    expect(first.outcome).toBe('started');
    const again = (await deliver(body())).json;
    expect([again.outcome, again.rollout_id]).toEqual(['duplicate', first.rollout_id]);
    await pool.query("update webhook_deliveries set last_received_at = now() - interval '59 seconds'");
    expect((await deliver(body())).json.outcome).toBe('duplicate');
    await pool.query("update webhook_deliveries set last_received_at = now() - interval '61 seconds'");
    const later = (await deliver(body())).json;
    expect(later.outcome).toBe('superseding');
    expect(later.rollout_id).not.toBe(first.rollout_id);
    const { rows } = await pool.query('select times_received from webhook_deliveries');
    expect(rows).toEqual([{ times_received: 4 }]);
  } finally {
    await pool.query('delete from image_update_policies where id = $1', [policy]);
  }
});

test.each<[string, object, string]>([
  ['a build', body({ updated_tags: undefined, build_id: 'f1', docker_tags: ['latest'] }), 'without updated_tags'],
  ['a vulnerability', body({ updated_tags: undefined, tags: ['latest'], vulnerability: {} }), 'without updated_tags'],
  ['a quota, which has no repository', { namespace: 'acme' }, 'without updated_tags'],
  ['null for the tags', body({ updated_tags: null }), 'without updated_tags'],
  ['no tag', body({ updated_tags: [] }), 'without a tag'],
  ['an empty tag', body({ updated_tags: [''] }), 'without a tag'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['a tag that is a digest', body({ updated_tags: [`sha256:${'a'.repeat(64)}`] }), 'by its digest'],
  ["a signature's tag", body({ updated_tags: [`sha256-${'a'.repeat(64)}.sig`] }), 'signature'],
  ['a tag that is none', body({ updated_tags: ['a b'] }), 'the tag is none'],
  ['a name in capitals', body({ repository: 'acme/Api' }), 'lower case'],
  ['no host', body({ docker_url: undefined }), 'docker_url'],
  ['a host that is a namespace on Docker Hub', body({ docker_url: 'quay/acme/api' }), 'registry_host'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['tags that are text', body({ updated_tags: 'latest' }), 'updated_tags'],
  ['tags that are none', body({ updated_tags: [7, null] }), 'updated_tags.0'],
  [
    'a thousand tags',
    body({ updated_tags: Array.from({ length: 1000 }, (_, index) => `v${String(index)}`) }),
    'updated_tags',
  ],
  ['no name', body({ repository: null, name: '' }), 'repository'],
  ['a name that is an object', body({ repository: { name: 'api' } }), 'repository'],
  ['an address that is a number', body({ docker_url: 7 }), 'docker_url'],
])('422 that names the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is no event: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

const basic = (password: string): Headers => ({
  authorization: `Basic ${Buffer.from(`quay:${password}`).toString('base64')}`,
});
test.each<[string, Headers, string, number]>([
  ['the secret in the URL', {}, `?secret=${SECRET}`, 202],
  ['the previous secret', {}, `?secret=${PREVIOUS}`, 202],
  ["the URL's password", basic(SECRET), '', 202],
  ['a bearer', bearer(), '', 202],
  ['another secret', {}, `?secret=${WRONG}`, 401],
  ['another password', basic(WRONG), '', 401],
  ['nothing', {}, '', 401],
  ['an empty secret', {}, '?secret=', 401],
])('%s', async (_, headers, query, status) => {
  const reply = await rig.deliver('quay', body(), { ...json, ...headers }, query);
  expect(reply.status).toBe(status);
  if (status === 401) await expectRefused(rig, reply);
});
