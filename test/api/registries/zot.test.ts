import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../../support/intake';
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
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';
import { HEADER, secretHeaders } from '../../support/secret-headers';

const ID = '1f6a1c0e-1111-4222-8333-444455556666';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  const fields = { kind: 'zot', secrets: [SECRET, PREVIOUS], options: { header: HEADER } };
  await rig.source('zot', { ...fields, registry_host: 'zot.acme.io:5000' });
  await rig.source('homeless', fields);
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** As zot's sink sets them; null leaves one out. */
function headers(fields: Record<string, string | null> = {}): Headers {
  const all: Record<string, string | null> = {
    ...{ 'ce-specversion': '1.0', 'ce-type': 'zotregistry.image.updated', 'ce-source': 'zotregistry.dev', 'ce-id': ID },
    ...{ 'ce-time': '2026-01-01T00:00:00.123456789Z', ...json, ...bearer(), ...fields },
  };
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}
const INDEX = 'application/vnd.oci.image.index.v1+json';
const body = (fields: object = {}): object => ({
  ...{ name: 'team/api', reference: '1.4.2', digest: digestOf('a'), mediaType: INDEX },
  ...{ manifest: '{"schemaVersion":2}', actor: { name: 'ci' }, request: { addr: 'evil.io', method: 'PUT' } },
  ...fields,
});
const deliver = (what: string | Buffer | object, fields: Record<string, string | null> = {}, source = 'zot') =>
  rig.deliver(source, what, headers(fields));
const known = { registry: 'zot.acme.io:5000', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf({ ...known, event_id: ID });
const but = (fields: object) => pushOf({ ...api.results[0], ...fields });

test.each<[string, string | object, Record<string, string | null>, ReturnType<typeof pushOf>]>([
  ['of an image', body(), {}, api],
  ['on another channel', body(), { 'ce-channel': 'eu' }, api],
  ['without a digest and a media type', body({ digest: undefined, mediaType: '' }), {}, but({ digest: null })],
  ['without a time', body(), { 'ce-time': null }, api],
  ['with a time that is none', body(), { 'ce-time': 'now' }, api],
  [
    'with headers that are quoted and encoded once',
    body(),
    { 'ce-id': '"a \\"b\\"%20%e2%82%ac%2541"' },
    but({ event_id: 'a "b" €%41' }),
  ],
  ['with a percent sign that encodes nothing', body(), { 'ce-id': '100%' }, but({ event_id: '100%' })],
  [
    'with an id that is too long to store',
    body(),
    { 'ce-id': 'x'.repeat(600) },
    but({ event_id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) }),
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), {}, api],
  [
    'in structured mode, which its library has as well',
    { specversion: '1.0', id: ID, source: 'zotregistry.dev', type: 'zotregistry.image.updated', data: body() },
    { 'content-type': 'application/cloudevents+json' },
    api,
  ],
])('a push %s', async (_, what, fields, expected) => {
  expect(understood(await deliver(what, fields))).toEqual(expected);
});

test('two long ids that differ at their end are two', async () => {
  for (const end of ['a', 'b', 'a']) await deliver(body(), { 'ce-id': 'x'.repeat(600) + end });
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by 1');
  expect(rows.map((row) => row.times_received)).toEqual([1, 2]);
});

test.each<[string, string, object]>([
  ['delete', 'zotregistry.image.deleted', body({ manifest: undefined })],
  ['new repository', 'zotregistry.repository.created', { name: 'team/api' }],
  ['failed check', 'zotregistry.image.lint_failed', body()],
  ['scan', 'zotregistry.image.scanned', body()],
  ['event of another type', 'zotregistry.image.updated.v2', body()],
])('nothing is pushed by a %s', async (reason, type, what) => {
  await expectNothingPushed(rig, await deliver(what, { 'ce-type': type }), reason);
});

test.each<[string, object, string]>([
  ['a configuration', body({ mediaType: 'application/vnd.oci.image.config.v1+json' }), 'blob'],
  ['an empty reference', body({ reference: '' }), 'untagged'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['a reference that is a digest', body({ reference: digestOf('a') }), 'by its digest'],
  ["a signature's tag", body({ reference: `sha256-${'a'.repeat(64)}` }), 'signature'],
  ['a reference that is none', body({ reference: 'a/b' }), 'the tag is none'],
  ['a name with a host of its own', body({ name: 'evil.io:5000/api' }), 'not an image name'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test('without an operator who says where it is, nothing can be pulled from it', async () => {
  expectUnusable(await deliver(body(), {}, 'homeless'), 'registry_host');
});

test.each<[string, object, Record<string, string | null>, string]>([
  ['no id', body(), { 'ce-id': null }, 'ce-id'],
  ['an empty id', body(), { 'ce-id': '""' }, 'ce-id'],
  ['no type', body(), { 'ce-type': null }, 'ce-type'],
  ['no source', body(), { 'ce-source': null }, 'ce-source'],
  ['no version', body(), { 'ce-specversion': null }, 'ce-specversion'],
  ['a version that is not read', body(), { 'ce-specversion': '0.3' }, 'ce-specversion'],
  ['an overlong encoding', body(), { 'ce-id': 'a%C0%A0b' }, 'ce-id'],
  ['no name', body({ name: undefined }), {}, 'name'],
  ['a name that is a list', body({ name: ['team/api'] }), {}, 'name'],
  ['no reference', body({ reference: undefined }), {}, 'reference'],
  ['a reference that is a number', body({ reference: 1 }), {}, 'reference'],
  ['a digest that is an object', body({ digest: {} }), {}, 'digest'],
])('422 that names the field: %s', async (_, what, fields, path) => {
  expectUnreadable(await deliver(what, fields), path);
});

test.each(brokenBodies)('422 for a body that is no event: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

test.each(secretHeaders)('the secret %s', async (_, sent, query, verdict) => {
  const reply = await rig.deliver('zot', body(), { ...headers({ authorization: null }), ...sent }, query);
  if (verdict === 'taken') expect(understood(reply)).toEqual(api);
  else await expectRefused(rig, reply);
});
