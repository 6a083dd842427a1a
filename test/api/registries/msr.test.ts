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
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('msr', { kind: 'msr', secrets: [SECRET, PREVIOUS] });
  await rig.source('inside', { kind: 'msr', secrets: [SECRET], registry_host: 'msr.inside.io:4443' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const body = (contents: object = {}, fields: object = {}): object => ({
  ...{ type: 'TAG_PUSH', createdAt: '2026-01-01T00:00:00.607337713Z', location: '/repositories/acme/api/tags/1.4.2' },
  contents: {
    ...{ namespace: 'acme', repository: 'api', tag: '1.4.2', digest: digestOf('a'), os: 'linux' },
    ...{ imageName: 'msr.example.com/acme/api:1.4.2', architecture: 'amd64', author: 'ci', ...contents },
  },
  ...fields,
});
const deliver = (what: string | Buffer | object, source = 'msr') =>
  rig.deliver(source, what, json, `?secret=${SECRET}`);
const pushed = { registry: 'msr.example.com', repository: 'acme/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf(pushed);

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of a tag', body(), api],
  [
    'at a port',
    body({ imageName: '10.10.10.1:4443/acme/api:1.4.2' }),
    pushOf({ ...pushed, registry: '10.10.10.1:4443' }),
  ],
  ['whose name holds no tag', body({ imageName: 'msr.example.com/acme/api' }), api],
  ['whose name holds a digest', body({ imageName: `msr.example.com/acme/api@${digestOf('a')}` }), api],
  ['without a digest', body({ digest: '' }), pushOf({ ...pushed, digest: null })],
  ['at no time', body({ pushedAt: '0001-01-01T00:00:00Z' }, { createdAt: undefined }), api],
  ['at a time that is none', body({}, { createdAt: 7 }), api],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test("the operator's host goes before the event's, and stands where the event has none", async () => {
  for (const imageName of ['evil.io/acme/api:1.4.2', '', 'acme/api:1.4.2', undefined]) {
    const { results } = understood(await deliver(body({ imageName }), 'inside'));
    expect(results).toEqual([{ ...api.results[0], registry: 'msr.inside.io:4443' }]);
  }
});

test('the same event again is a repetition, the same push later is not', async () => {
  for (const createdAt of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'])
    await deliver(body({}, { createdAt }));
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by 1');
  expect(rows).toEqual([{ times_received: 1 }, { times_received: 2 }]);
});

test.each<[string, object, string]>([
  ...[
    ...['TAG_PULL', 'TAG_DELETE', 'MANIFEST_PUSH', 'MANIFEST_PULL', 'MANIFEST_DELETE', 'SCAN_COMPLETED', 'SCAN_FAILED'],
    ...['PROMOTION', 'PUSH_MIRRORING', 'POLL_MIRRORING', 'REPO_CREATED', 'REPO_EVENT', 'SCANNER_UPDATE_COMPLETED'],
  ].map((type): [string, object, string] => [type, body({}, { type }), `1 ${type}`]),
  ['an event without contents', { type: 'SCANNER_UPDATE_COMPLETED' }, 'SCANNER_UPDATE_COMPLETED'],
  ['no tag', body({ tag: '' }), 'without a tag'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['the test event, which has no host', body({ imageName: '' }), 'contents.imageName'],
  ['a name without a host', body({ imageName: 'acme/api:1.4.2' }), 'contents.imageName'],
  [
    'a namespace that looks like a host',
    body({ namespace: 'acme.io', imageName: 'acme.io/api:1.4.2' }),
    'contents.imageName',
  ],
  ['the name of another image', body({ imageName: 'evil.io/other/api:1.4.2' }), 'contents.imageName'],
  ['a name that goes on', body({ imageName: 'msr.example.com/acme/api/x:1' }), 'contents.imageName'],
  ['a tag that is a digest', body({ tag: digestOf('b') }), 'by its digest'],
  ["a signature's tag", body({ tag: `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a digest that is none', body({ digest: 'sha256:0afb' }), 'the digest is none'],
  ['a name in capitals', body({ repository: 'Api', imageName: 'msr.example.com/acme/Api:1.4.2' }), 'lower case'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no type', body({}, { type: undefined }), 'type'],
  ['no contents', body({}, { contents: undefined }), 'contents'],
  ['contents that are a list', body({}, { contents: [] }), 'contents'],
  ['no namespace', body({ namespace: '' }), 'contents.namespace'],
  ['a repository that is an object', body({ repository: {} }), 'contents.repository'],
  ['a tag that is a number', body({ tag: 2 }), 'contents.tag'],
  ['a digest that is a number', body({ digest: 2 }), 'contents.digest'],
])('422 that names the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is no event: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

test.each<[string, Headers, string, number]>([
  ['the secret in the URL', {}, `?secret=${SECRET}`, 202],
  ['the previous secret', {}, `?secret=${PREVIOUS}`, 202],
  ["the URL's password", { authorization: `Basic ${Buffer.from(`msr:${SECRET}`).toString('base64')}` }, '', 202],
  ['a bearer', bearer(), '', 202],
  ['another secret', {}, `?secret=${WRONG}`, 401],
  ['nothing', {}, '', 401],
])('%s', async (_, headers, query, status) => {
  const reply = await rig.deliver('msr', body(), { ...json, ...headers }, query);
  expect(reply.status).toBe(status);
  if (status === 401) await expectRefused(rig, reply);
});
