import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
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
import { HEADER, secretHeaders } from '../../support/secret-headers';

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('events', { kind: 'cloudevents', secrets: [SECRET, PREVIOUS], options: { header: HEADER } });
  const types = ['io.acme.release', 'io.acme.image.*'];
  await rig.source('listed', { kind: 'cloudevents', secrets: [SECRET], options: { types } });
  await rig.source('at-home', { kind: 'cloudevents', secrets: [SECRET], registry_host: 'registry.inside.io' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const structured = { 'content-type': 'application/cloudevents+json' };
const batch = { 'content-type': 'application/cloudevents-batch+json' };
const SOURCE = 'https://ci.acme.io/runs';
const known = { registry: 'registry.acme.io:5000', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const event = (fields: object = {}): object => ({
  ...{ specversion: '1.0', id: 'e1', source: SOURCE, type: 'io.acme.image.pushed', time: '2026-01-01T00:00:00Z' },
  ...{ datacontenttype: 'application/json', data: known, ...fields },
});
const binary = (fields: Headers = {}): Headers => ({
  ...{ 'ce-specversion': '1.0', 'ce-id': 'e1', 'ce-source': SOURCE, 'ce-type': 'io.acme.image.pushed' },
  ...json,
  ...fields,
});
const deliver = (what: string | Buffer | object, headers: Headers = structured, source = 'events') =>
  rig.deliver(source, what, { ...headers, ...bearer() });
const api = pushOf({ ...known, event_id: `${SOURCE} e1` });
const but = (fields: object) => pushOf({ ...api.results[0], ...fields });
const base64 = (what: object) => Buffer.from(JSON.stringify(what)).toString('base64');

describe('a push', () => {
  test.each<[string, string | Buffer | object, Headers, { status: number; results: object[] }]>([
    ['in structured mode', event(), structured, api],
    ['with a character set', event(), { 'content-type': 'application/cloudevents+json; charset=UTF-8' }, api],
    ['in binary mode', known, binary(), api],
    [
      'in binary mode without a content type',
      Buffer.from(JSON.stringify(known)),
      { ...binary(), 'content-type': '' },
      api,
    ],
    ['in binary mode, encoded', known, binary({ 'ce-id': '%65%31', 'ce-source': `"${SOURCE}"` }), api],
    [
      'in a batch',
      [event(), event({ id: 'e2', data: { ...known, tag: '2' } })],
      batch,
      { status: 202, results: [...api.results, { ...api.results[0], event_id: `${SOURCE} e2`, tag: '2' }] },
    ],
    ['with its data in base64', event({ data: undefined, data_base64: base64(known) }), structured, api],
    [
      'with attributes that are not set',
      event({ subject: null, dataschema: null, data_base64: null }),
      structured,
      api,
    ],
    ['with extensions and odd hints', event({ traceparent: '00', time: 7, partitionkey: 'x' }), structured, api],
    ['of a later minor version', event({ specversion: '1.1' }), structured, api],
    ['from a source with a space', event({ source: 'a b' }), structured, but({ event_id: 'a%20b e1' })],
    [
      'under the names of an EventBridge transformer',
      event({
        type: 'com.amazon.ecr.image.push',
        data: {
          repositoryName: 'team/api',
          imageTag: '1.4.2',
          imageDigest: digestOf('a'),
          registryUrl: 'https://registry.acme.io:5000/',
        },
      }),
      structured,
      api,
    ],
    ['with keys that reach for prototypes', withPrototypeKeys(event()), structured, api],
    [
      'of Docker Hub',
      event({ data: { ...known, registry: 'index.docker.io', repository: 'redis' } }),
      structured,
      but({ registry: 'docker.io', repository: 'library/redis' }),
    ],
  ])('%s', async (_, what, headers, expected) => {
    expect(understood(await deliver(what, headers))).toEqual(expected);
  });

  test('is known by its source and id in any mode, and by neither alone', async () => {
    await deliver(event());
    await deliver(known, binary());
    await deliver([event(), event({ source: 'https://other.acme.io' }), event({ id: 'e2' })], batch);
    const { rows } = await rig.database.pool.query(
      'select delivery_key, times_received from webhook_deliveries order by delivery_key collate "C"',
    );
    expect(rows).toEqual([
      { delivery_key: `event:${SOURCE} e1`, times_received: 3 },
      { delivery_key: `event:${SOURCE} e2`, times_received: 1 },
      { delivery_key: 'event:https://other.acme.io e1', times_received: 1 },
    ]);
  });

  test('is not held back by an odd neighbour in its batch', async () => {
    const reply = await deliver([null, event({ id: '' }), event({ data: { tag: 7 } }), event()], batch);
    expect(reply.json.results.map((one: any) => [one.outcome, one.detail])).toEqual([
      ['ignored', expect.stringContaining('cannot be read: 0: ')],
      ['ignored', expect.stringContaining('cannot be read: 1.id: ')],
      ['ignored', expect.stringContaining('cannot be read: 2.data.tag: ')],
      ['no_matching_policy', expect.any(String)],
    ]);
    expect(reply.status).toBe(202);
  });

  test('is pulled from where the operator says, whatever host the event names', async () => {
    for (const registry of ['evil.io', undefined]) {
      const reply = await deliver(event({ data: { ...known, registry } }), structured, 'at-home');
      expect(understood(reply)).toEqual(but({ registry: 'registry.inside.io' }));
    }
  });
});

describe('what is a push', () => {
  test.each(['io.acme.image.push', 'image-published', 'pushed', 'Acme.Registry.ImagePushed'])(
    'the type %s, by its last word',
    async (type) => {
      expect(understood(await deliver(event({ type })))).toEqual(api);
    },
  );

  test.each([
    'io.acme.image.deleted',
    'io.acme.unpublished',
    'io.acme.pushed.failed',
    'io.acme.release',
    'dev.cdevents.artifact.packaged.0.2.0',
    'dev.cdevents.service.published.0.2.0',
  ])('not the type %s', async (type) => {
    await expectNothingPushed(rig, await deliver(event({ type })), 'another type');
  });

  test.each<[string, 'taken' | 'skipped']>([
    ['io.acme.release', 'taken'],
    ['io.acme.image.built', 'taken'],
    ['io.acme.pushed', 'skipped'],
    ['io.acme.release.2', 'skipped'],
  ])('%s, where the types are listed, is %s', async (type, verdict) => {
    const reply = await deliver(event({ type }), structured, 'listed');
    if (verdict === 'taken') expect(understood(reply)).toEqual(api);
    else await expectNothingPushed(rig, reply, 'another type');
  });

  test('an event without data of another type is understood, too', async () => {
    await expectNothingPushed(rig, await deliver(event({ type: 'io.acme.ping', data: undefined })), 'another type');
    await expectNothingPushed(rig, await deliver('', binary({ 'ce-type': 'io.acme.ping' })), 'another type');
    await expectNothingPushed(rig, await deliver([], batch), 'no events');
  });

  test('nothing is pushed without a tag', async () => {
    for (const tag of [null, ''])
      await expectNothingPushed(rig, await deliver(event({ data: { ...known, tag } })), 'untagged');
  });
});

test.each<[string, object, string]>([
  ['a tag that is a digest', { tag: digestOf('a') }, 'by its digest'],
  ['a digest that is none', { digest: 'sha256:' }, 'the digest is none'],
  ['a name that is none', { repository: 'team//api' }, 'not an image name'],
  ['no host', { registry: undefined }, 'registry_host'],
  ['a host that goes on', { registry: 'evil.io/team' }, 'registry_host'],
])('a push that can never be rolled out is recorded: %s', async (_, fields, reason) => {
  expectUnusable(await deliver(event({ data: { ...known, ...fields } })), reason);
});

test.each<[string, string | object, Headers, string]>([
  ['no id', event({ id: undefined }), structured, 'id'],
  ['an id that is a number', event({ id: 7 }), structured, 'id'],
  ['no source', event({ source: '' }), structured, 'source'],
  ['no type', event({ type: null }), structured, 'type'],
  ['no version', event({ specversion: undefined }), structured, 'specversion'],
  ['an older version', event({ specversion: '0.3' }), structured, 'specversion'],
  ['a subject that is an object', event({ subject: {} }), structured, 'subject'],
  ['data that are a text', event({ data: 'team/api:1' }), structured, 'data'],
  ['no repository', event({ data: { tag: '1' } }), structured, 'data.repository'],
  ['a repository that is a number', event({ data: { ...known, repository: 7 } }), structured, 'data.repository'],
  ['data twice', event({ data_base64: base64(known) }), structured, 'data_base64'],
  ['data that are no base64', event({ data: undefined, data_base64: '{}' }), structured, 'data_base64'],
  ['data that are no JSON', event({ data: undefined, data_base64: 'e30A' }), structured, 'data_base64'],
  ['a list that is no batch', [event()], structured, ''],
  ['a batch that is no list', event(), batch, ''],
  ['a batch that is endless', JSON.stringify(Array.from({ length: 5001 }, () => ({ specversion: '1.0' }))), batch, ''],
  ['neither mode', event(), json, 'ce-specversion'],
  ['no id in binary mode', known, binary({ 'ce-id': '' }), 'ce-id'],
  ['an id that is no UTF-8', known, binary({ 'ce-id': '%ff' }), 'ce-id'],
  ['no data in binary mode', '', binary(), ''],
  ['a tag that is a number in binary mode', { ...known, tag: 7 }, binary(), 'tag'],
])('422 that names the field: %s', async (_, what, headers, path) => {
  expectUnreadable(await deliver(what, headers), path);
});

describe.each([
  ['structured', structured],
  ['batch', batch],
  ['binary', binary()],
])('422 for a body that is no event, in %s mode', (_, headers) => {
  test.each(brokenBodies)('%s', async (_name, what) => {
    const reply = await deliver(what, headers);
    // A list is a batch, and what stands in it is recorded.
    expect([200, 422]).toContain(reply.status);
    expect(reply.status === 200 ? reply.json.outcome : 'refused').not.toBe('no_matching_policy');
  });
});

test('415 for formats that are not read', async () => {
  for (const type of ['application/cloudevents+avro', 'application/cloudevents', 'text/plain'])
    expect((await deliver(event(), { 'content-type': type })).status).toBe(415);
});

test.each([...secretHeaders, ['as access_token in the URL', {}, `?access_token=${SECRET}`, 'taken'] as const])(
  'the secret %s',
  async (_, headers, query, verdict) => {
    const reply = await rig.deliver('events', event(), { ...structured, ...headers }, query);
    if (verdict === 'taken') expect(understood(reply)).toEqual(api);
    else await expectRefused(rig, reply);
  },
);

test('OPTIONS asks whether it may send', async () => {
  const origin = {
    'webhook-request-origin': 'eventemitter.example.com',
    'webhook-request-callback': 'http://127.0.0.1:9/',
  };
  const ask = (headers: Headers) => rig.call('OPTIONS', '/api/v1/webhooks/events', { headers });
  const allowed = await ask(origin);
  expect([allowed.status, allowed.headers.get('webhook-allowed-origin')]).toEqual([200, 'eventemitter.example.com']);
  expect((await ask({ ...origin, ...bearer(WRONG) })).status).toBe(401);
  expect((await ask({})).status).toBe(405);
});
