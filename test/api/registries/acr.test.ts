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
  type RegistryRig,
} from '../../support/registry-deliveries';
import { HEADER, secretHeaders } from '../../support/secret-headers';

const ID = '0b8f6f2e-5d4a-4a0e-8a55-6c1f3c3c2a10';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('acr', { kind: 'acr', secrets: [SECRET, PREVIOUS], options: { header: HEADER } });
  await rig.source('mirrored', { kind: 'acr', secrets: [SECRET], registry_host: 'registry.inside.io:5000' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const target = (fields: object = {}): object => ({
  ...{ mediaType: 'application/vnd.docker.distribution.manifest.v2+json', size: 524, length: 524 },
  ...{ digest: digestOf('a'), repository: 'team/api', tag: '1.4.2' },
  ...fields,
});
const body = (fields: object = {}, of: object = {}): object => ({
  ...{ id: ID, timestamp: '2026-01-01T00:00:00.1234567Z', action: 'push', target: target(of) },
  request: { id: '9c', host: 'acmeregistry.azurecr.io', method: 'PUT', useragent: 'docker/28.0.1' },
  ...fields,
});
const deliver = (what: string | Buffer | object, source = 'acr') =>
  rig.deliver(source, what, { ...json, ...bearer(), 'user-agent': 'AzureContainerRegistry/1.0' });
const known = { registry: 'acmeregistry.azurecr.io', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf({ ...known, event_id: ID });
const but = (fields: object) => pushOf({ ...api.results[0], ...fields });

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of an image', body(), api],
  ['of a multi-arch image', body({}, { mediaType: 'application/vnd.oci.image.index.v1+json' }), api],
  ['without a media type', body({}, { mediaType: undefined }), api],
  ['without a digest', body({}, { digest: null }), but({ digest: null })],
  ['of a repository without a namespace', body({}, { repository: 'api' }), but({ repository: 'api' })],
  ['to a host in capitals', body({ request: { host: 'AcmeRegistry.azurecr.io' } }), api],
  ['with a time that is none', body({ timestamp: 'yesterday' }), api],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test("the operator's host goes before the event's", async () => {
  const reply = await deliver(body({ request: { host: 'evil.io' } }), 'mirrored');
  expect(understood(reply)).toEqual(but({ registry: 'registry.inside.io:5000' }));
});

test('the same id is one push, in whatever body; the same digest under another id is told as its own', async () => {
  await deliver(body());
  await deliver(body({ timestamp: '2026-01-01T00:00:09Z' }));
  await deliver(body({ id: 'another' }));
  const { rows } = await rig.database.pool.query(
    'select delivery_key, times_received from webhook_deliveries order by received_at, delivery_key',
  );
  expect(rows).toEqual([
    { delivery_key: `event:${ID}`, times_received: 2 },
    { delivery_key: 'event:another', times_received: 1 },
  ]);
});

test.each<[string, object, string]>([
  ['a ping', { id: ID, timestamp: '2026-01-01T00:00:00Z', action: 'ping' }, 'ping'],
  ['a deleted manifest', body({ action: 'delete' }, { tag: undefined }), 'delete'],
  ['a quarantined image', body({ action: 'quarantine' }), 'quarantine'],
  ['a chart', { id: ID, action: 'chart_push', target: { name: 'wordpress', version: '5.4.0' } }, 'chart_push'],
  ['a deleted chart', { id: ID, action: 'chart_delete', target: { name: 'wordpress' } }, 'chart_delete'],
  ['an action that is new', body({ action: 'Push' }), 'unknown action'],
  ['an untagged manifest', body({}, { tag: undefined }), 'untagged'],
  ['an empty tag', body({}, { tag: '' }), 'untagged'],
  ['a layer', body({}, { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }), 'blob'],
  ['a configuration', body({}, { mediaType: 'application/vnd.oci.image.config.v1+json' }), 'blob'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['a tag that is a digest', body({}, { tag: digestOf('a') }), 'by its digest'],
  ["a signature's tag", body({}, { tag: `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a tag that is none', body({}, { tag: 'a b' }), 'the tag is none'],
  ['a digest that is none', body({}, { digest: `sha256:${'A'.repeat(64)}` }), 'the digest is none'],
  ['a name in capitals', body({}, { repository: 'team/Api' }), 'lower case'],
  ['a name that leaves its registry', body({}, { repository: '../api' }), 'not an image name'],
  ['no host', body({ request: undefined }), 'request.host'],
  ['a host that is a namespace on Docker Hub', body({ request: { host: 'acmeregistry' } }), 'registry_host'],
  ['a host that goes on', body({ request: { host: 'evil.io/acme' } }), 'request.host'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no action', body({ action: undefined }), 'action'],
  ['an action that is a number', body({ action: 7 }), 'action'],
  ['an id that is an object', body({ id: {} }), 'id'],
  ['no target', body({ target: undefined }), 'target'],
  ['a target that is a list', body({ target: [target()] }), 'target'],
  ['no repository', body({}, { repository: undefined }), 'target.repository'],
  ['a tag that is a number', body({}, { tag: 1.4 }), 'target.tag'],
  ['a digest that is a list', body({}, { digest: [digestOf('a')] }), 'target.digest'],
  ['a host that is a number', body({ request: { host: 7 } }), 'request.host'],
  ['a list, as Event Grid sends', [body()], ''],
])('422 that names the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is no event: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

test.each(secretHeaders)('the secret %s', async (_, headers, query, verdict) => {
  const reply = await rig.deliver('acr', body(), { ...json, ...headers }, query);
  if (verdict === 'taken') expect(understood(reply)).toEqual(api);
  else await expectRefused(rig, reply);
});

test('a content type that an operator may set is taken, another is not', async () => {
  const send = (type: string) => rig.deliver('acr', body(), { 'content-type': type, ...bearer() });
  expect((await send('application/vnd.acme.push+json; charset=utf-8')).status).toBe(202);
  expect((await send('text/xml')).status).toBe(415);
});
