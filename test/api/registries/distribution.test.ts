import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy, digestOf } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  expectNothingPushed,
  expectRefused,
  expectUnusable,
  forgetDeliveries,
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

const V1 = { 'content-type': 'application/vnd.docker.distribution.events.v1+json' };
const V2 = { 'content-type': 'application/vnd.docker.distribution.events.v2+json' };
const ID = 'c2d3a001-0000-4000-8000-000000000001';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('registry', { kind: 'distribution', secrets: [SECRET, PREVIOUS] });
  await rig.source('outside', { kind: 'distribution', secrets: [SECRET], registry_host: 'registry.acme.io' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** One event; `undefined` leaves a field out. */
function event(fields: object = {}, target: object = {}): object {
  return {
    ...{ id: ID, timestamp: '2026-01-01T00:00:00.123456789Z', action: 'push' },
    target: {
      ...{
        mediaType: OCI_INDEX,
        digest: digestOf('a'),
        size: 1573,
        length: 1573,
        repository: 'team/api',
        tag: '2.0.0',
      },
      url: `https://registry.example.com/v2/team/api/manifests/${digestOf('a')}`,
      ...target,
    },
    request: {
      id: '77',
      addr: '192.0.2.14',
      host: 'registry.example.com:5000',
      method: 'PUT',
      useragent: 'docker/28.0.1',
    },
    actor: { name: 'ci-bot' },
    source: { addr: 'registry-7d9c:5000', instanceID: randomUUID() },
    ...fields,
  };
}
const deliver = (events: unknown[], headers: Headers = V2, source = 'registry') =>
  rig.deliver(source, { events }, { ...headers, ...bearer() });
const push = {
  ...{ registry: 'registry.example.com:5000', repository: 'team/api', tag: '2.0.0' },
  ...{ digest: digestOf('a'), event_id: ID },
};
const api = pushOf(push);

test.each<[string, Headers]>([
  ['2.x', V1],
  ['3.x', V2],
  ['with a parameter', { 'content-type': `${V2['content-type']}; charset=utf-8` }],
  ['as plain JSON', { 'content-type': 'application/json' }],
  ['without a type', { 'content-type': '' }],
])('an envelope of %s', async (_, headers) => {
  expect(understood(await deliver([event()], headers))).toEqual(api);
});

test.each([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  OCI_INDEX,
])('a push of %s', async (mediaType) => {
  expect(understood(await deliver([event({}, { mediaType })]))).toEqual(api);
});

test.each<[string, object, Partial<typeof push> | object]>([
  ['without an id', event({ id: undefined }), { event_id: null }],
  ['with an id that is a number', event({ id: 7 }), { event_id: null }],
  ['without a digest', event({}, { digest: undefined }), { digest: null }],
  ['with a time that is none', event({ timestamp: 'soon' }), {}],
  ['without a time', event({ timestamp: undefined }), {}],
  ['from a port and an address', event({ request: { host: '192.0.2.1:5000' } }), { registry: '192.0.2.1:5000' }],
  ['from a host in capitals, as its client wrote it', event({ request: { host: 'Registry.Example.com:5000' } }), {}],
  ['from the machine itself', event({ request: { host: 'localhost' } }), { registry: 'localhost' }],
  [
    "with an image's configuration among its references",
    event({}, { references: [{ mediaType: 'application/vnd.oci.image.config.v1+json' }] }),
    {},
  ],
  ['with references that are none', event({}, { references: 7 }), {}],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver([what]))).toEqual(pushOf({ ...push, ...expected }));
});

test('keys that reach for prototypes change nothing', async () => {
  const events = `{"events": [${withPrototypeKeys(event())}], "__proto__": {"events": []}}`;
  expect(understood(await rig.deliver('registry', events, { ...V2, ...bearer() }))).toEqual(api);
});

test('the operator says where it is pulled from, whatever the pusher called it', async () => {
  for (const request of [{ host: 'registry.internal:5000' }, { host: 'registry' }, undefined]) {
    await forgetDeliveries(rig);
    const reply = await deliver([event({ request })], V2, 'outside');
    expect(understood(reply)).toEqual(pushOf({ ...push, registry: 'registry.acme.io' }));
  }
});

test.each<[string, object, string]>([
  ['a pull', event({ action: 'pull' }), '1 pull'],
  ['a mounted layer', event({ action: 'mount' }), '1 mount'],
  ['a deleted manifest', event({ action: 'delete' }, { mediaType: undefined, tag: undefined }), '1 delete'],
  ['a deleted tag', event({ action: 'delete' }, { mediaType: undefined, digest: undefined }), '1 delete'],
  ['an action of another name', event({ action: 'PUSH\u0000' }), 'unknown action'],
  ['no action', event({ action: undefined }), 'unknown action'],
  ['a layer', event({}, { mediaType: 'application/octet-stream', tag: undefined }), 'push of a blob'],
  [
    'a layer that claims a tag',
    event({}, { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }),
    'push of a blob',
  ],
  ['a configuration', event({}, { mediaType: 'application/vnd.oci.image.config.v1+json' }), 'push of a blob'],
  ['something without a type', event({}, { mediaType: undefined }), 'push of a blob'],
  ['a manifest by its digest', event({}, { tag: undefined }), 'push of an untagged manifest'],
  ['a manifest with an empty tag', event({}, { tag: '' }), 'push of an untagged manifest'],
  ['a target that is a text', event({ target: 'team/api' }), 'push without a target'],
  [
    'a Helm chart, by its artifact type',
    event({}, { artifactType: 'application/vnd.cncf.helm.config.v1+json' }),
    'Helm chart',
  ],
  [
    'a Helm chart, by its configuration',
    event({}, { references: [{ mediaType: 'application/vnd.cncf.helm.config.v1+json' }] }),
    'Helm chart',
  ],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver([what]), reason);
});

test('an empty envelope is nothing', async () => {
  await expectNothingPushed(rig, await deliver([]), 'no events');
});

test.each<[string, object, string]>([
  ['a tag that is a digest', event({}, { tag: digestOf('a') }), 'by its digest'],
  ["a signature's tag", event({}, { tag: `sha256-${'a'.repeat(64)}.att` }), 'signature'],
  ['a tag that is none', event({}, { tag: 'a b' }), 'the tag is none'],
  ['a digest that is none', event({}, { digest: 'sha256:aa' }), 'the digest is none'],
  ['a repository in capitals', event({}, { repository: 'Team/Api' }), 'lower case'],
  ['no repository', event({}, { repository: undefined }), 'not an image name'],
  ['a repository with a tag in it', event({}, { repository: 'team/api:1' }), 'without tag'],
  ['a short host, which would be a namespace of Docker Hub', event({ request: { host: 'registry' } }), 'registry_host'],
  ['no host', event({ request: null }), 'request.host'],
  ['a host with a path', event({ request: { host: 'registry.example.com/evil' } }), 'request.host'],
  ['a host with a user', event({ request: { host: 'root@registry.example.com' } }), 'not an image name'],
  ['a host with an underscore', event({ request: { host: 'my_host.example.com' } }), 'not an image name'],
])('never rolled out: %s', async (_, what, reason) => {
  expectUnusable(await deliver([what]), reason);
});

test('each event of an envelope is looked at by itself, and no odd one holds back its neighbours', async () => {
  const second = event({ id: 'second' }, { tag: '2.0', digest: digestOf('b') });
  const odd = [null, 7, 'push', [], {}, { action: 'push', target: [] }, event({ id: 'odd' }, { tag: '-' })];
  const { status, results } = understood(await deliver([event({ action: 'pull' }), ...odd, event(), second, event()]));
  expect([status, results.map((one) => [one.event_id, one.tag, one.outcome])]).toEqual([
    202,
    [
      ['odd', '-', 'ignored'],
      [ID, '2.0.0', 'no_matching_policy'],
      ['second', '2.0', 'no_matching_policy'],
      [ID, '2.0.0', 'no_matching_policy'],
    ],
  ]);
});

test('a thousand events are one answer', async () => {
  const events = Array.from({ length: 1000 }, (_, index) => event({ id: `e${String(index)}` }, { url: undefined }));
  const { results } = understood(await deliver(events.map((one) => ({ ...one, source: undefined, actor: undefined }))));
  expect(results).toHaveLength(1000);
});

// Distribution repeats what is refused without end, and holds back what comes after it.
describe('a body that will never be read is acknowledged and recorded', () => {
  test.each([...brokenBodies, ['events that are an object', '{"events": {}}'], ['no events', '{}']] as const)(
    '%s',
    async (_, raw) => {
      const reply = await rig.deliver('registry', raw, { ...V1, ...bearer() });
      expectUnusable(reply, 'cannot be read');
      expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
    },
  );
});

describe('the proof', () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
  test.each<[string, Headers, string?]>([
    ['the secret as a bearer token', bearer()],
    ['the previous secret as a bearer token', bearer(PREVIOUS)],
    ['the secret as a password', basic(`registry:${SECRET}`)],
    ['the secret as the whole header', { authorization: SECRET }],
    ['the secret in the URL', {}, `?secret=${PREVIOUS}`],
  ])('is %s', async (_, headers, query = '') => {
    expect(understood(await rig.deliver('registry', { events: [event()] }, { ...V2, ...headers }, query))).toEqual(api);
  });

  test.each<[string, Headers, string?]>([
    ['nothing', {}],
    ['another secret', bearer(WRONG)],
    ['the secret as a user', basic(`${SECRET}:x`)],
    ['a part of the secret', bearer(SECRET.slice(1))],
    ['another secret in the URL', {}, `?secret=${WRONG}`],
  ])('is not %s', async (_, headers, query = '') => {
    await expectRefused(rig, await rig.deliver('registry', { events: [event()] }, { ...V2, ...headers }, query));
  });
});

test('an event keeps its id over retries, and a time that no calendar has starts a rollout all the same', async () => {
  await addPolicy(rig.database.pool, 'registry.example.com:5000/team/*:*');
  const started = await deliver([event()]);
  expect(started.json.outcome).toBe('started');
  // Another envelope, of another instance, with a neighbour: the event is the same.
  const again = await deliver([event({ action: 'pull' }), event({ source: { instanceID: 'restarted' } })]);
  expect([again.json.outcome, again.json.rollout_id]).toEqual(['duplicate', started.json.rollout_id]);
  for (const [index, timestamp] of ['0000-01-01T00:00:00Z', '+200000-01-01T00:00:00Z', 'Jan 1 200000', '5'].entries()) {
    const repository = `team/odd-${String(index)}`;
    expect((await deliver([event({ id: repository, timestamp }, { repository })])).json.outcome).toBe('started');
  }
  await rig.database.pool.query('truncate image_update_policies cascade');
});

test('415 for what it never sends', async () => {
  const headers = { 'content-type': 'text/plain', ...bearer() };
  expect((await rig.deliver('registry', { events: [event()] }, headers)).status).toBe(415);
});
