import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  bytes,
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
  await rig.source('harbor', { kind: 'harbor', secrets: [SECRET, PREVIOUS] });
  await rig.source('inside', { kind: 'harbor', secrets: [SECRET], registry_host: 'harbor.inside.io:8443' });
  await rig.source('whole', { kind: 'harbor', secrets: [`Bearer ${SECRET}`] });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const resource = (fields: object = {}): object => ({
  ...{ digest: digestOf('a'), tag: '1.4.2', resource_url: 'harbor.example.com/library/api:1.4.2' },
  ...fields,
});
const eventData = (resources: unknown, repository: unknown = {}): object => ({
  resources,
  repository:
    typeof repository !== 'object' || repository === null
      ? repository
      : {
          ...{ date_created: 1_760_000_000, name: 'api', namespace: 'library' },
          ...{ repo_full_name: 'library/api', repo_type: 'private', ...repository },
        },
});
/** The Default format. */
const event = (data: unknown = eventData([resource()]), fields: object = {}): object => ({
  ...{ type: 'PUSH_ARTIFACT', occur_at: 1_767_225_600, operator: 'robot$library+ci', event_data: data },
  ...fields,
});
const cloudEvent = (data: unknown = eventData([resource()]), fields: object = {}): object => ({
  ...{ specversion: '1.0', id: '66e18103-fb24-4a27-9a8e-c1d5ba4b4c22', type: 'harbor.artifact.pushed' },
  ...{ source: '/projects/1/webhook/policies/15', time: '2026-01-01T00:00:00Z', datacontenttype: 'application/json' },
  ...{ operator: 'admin', requestid: 'b1', data, ...fields },
});
const asCloudEvent = { 'content-type': 'application/cloudevents+json' };
const authorized = (headers: Headers = json): Headers => ({ ...headers, authorization: SECRET });
const deliver = (what: string | Buffer | object, headers: Headers = json, source = 'harbor') =>
  rig.deliver(source, what, authorized(headers));

const pushed = { registry: 'harbor.example.com', repository: 'library/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf(pushed);
const withId = pushOf({ ...pushed, event_id: '66e18103-fb24-4a27-9a8e-c1d5ba4b4c22' });
const of = (resourceFields: object, repository: object = {}) =>
  event(eventData([resource(resourceFields)], repository));

test.each<[string, string | object, Headers, ReturnType<typeof pushOf>]>([
  ['of 2.x', event(), json, api],
  ['of 1.x', event(undefined, { type: 'pushImage' }), json, api],
  ['without a content type', event(), { 'content-type': '' }, api],
  ['without the full name', of({}, { repo_full_name: undefined }), json, api],
  ['without a digest', of({ digest: undefined }), json, pushOf({ ...pushed, digest: null })],
  ['with an empty digest', of({ digest: '' }), json, pushOf({ ...pushed, digest: null })],
  ['with a time that is none', event(undefined, { occur_at: 'today' }), json, api],
  ['at a time beyond all years', event(undefined, { occur_at: 1e300 }), json, api],
  [
    'at a port',
    of({ resource_url: '10.0.0.5:8443/library/api:1.4.2' }),
    json,
    pushOf({ ...pushed, registry: '10.0.0.5:8443' }),
  ],
  ['with a scheme before its host', of({ resource_url: 'https://harbor.example.com/library/api:1.4.2' }), json, api],
  ['of a deeper repository', of({}, { repo_full_name: 'p/a/b' }), json, pushOf({ ...pushed, repository: 'p/a/b' })],
  ['with keys that reach for prototypes', withPrototypeKeys(event()), json, api],
  ['as a CloudEvent', cloudEvent(), asCloudEvent, withId],
  [
    'as a CloudEvent with a charset',
    cloudEvent(),
    { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    withId,
  ],
  ['as a CloudEvent under another content type', cloudEvent(), json, withId],
])('a push %s', async (_, what, headers, expected) => {
  expect(understood(await deliver(what, headers))).toEqual(expected);
});

test.each([
  ['the Default format', event, json, null],
  ['CloudEvents', cloudEvent, asCloudEvent, withId.results[0]!.event_id],
] as const)(
  'each resource of an event is a push of its own, also when it comes again: %s',
  async (_, make, headers, id) => {
    const two = make(
      eventData([
        resource(),
        resource({ tag: '1.4', resource_url: 'harbor.example.com/library/api:1.4' }),
        resource({ tag: digestOf('b'), resource_url: `harbor.example.com/library/api@${digestOf('b')}` }),
        resource({ tag: undefined }),
        resource({ tag: 7 }),
        null,
      ]),
    );
    const expected = [
      { ...api.results[0], event_id: id },
      { ...api.results[0], tag: '1.4', event_id: id },
      { ...api.results[0], registry: null, tag: digestOf('b'), event_id: id, outcome: 'ignored' },
    ];
    for (let time = 1; time <= 2; time += 1)
      expect(understood(await deliver(two, headers))).toEqual({ status: 202, results: expected });
    const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries');
    expect(rows).toEqual([{ times_received: 2 }, { times_received: 2 }, { times_received: 2 }]);
  },
);

test('the same push in the next second is another, and a try of the same CloudEvent is none', async () => {
  const count = async () => (await rig.database.pool.query('select from webhook_deliveries')).rowCount;
  for (const second of [1_767_225_600, 1_767_225_600, 1_767_225_601])
    await deliver(event(undefined, { occur_at: second }));
  expect(await count()).toBe(2);
  for (const requestid of ['b1', 'b2']) await deliver(cloudEvent(undefined, { requestid }), asCloudEvent);
  expect(await count()).toBe(3);
  await deliver(cloudEvent(undefined, { id: 'another' }), asCloudEvent);
  expect(await count()).toBe(4);
});

test("the operator's host goes before the event's", async () => {
  const { results } = understood(await deliver(of({ resource_url: 'evil.io/library/api:1.4.2' }), json, 'inside'));
  expect(results).toEqual([{ ...api.results[0], registry: 'harbor.inside.io:8443' }]);
});

test.each<[string, object, string]>([
  ...[
    ...['PULL_ARTIFACT', 'DELETE_ARTIFACT', 'SCANNING_COMPLETED', 'SCANNING_FAILED', 'SCANNING_STOPPED'],
    ...['QUOTA_EXCEED', 'QUOTA_WARNING', 'REPLICATION', 'TAG_RETENTION', 'pullImage', 'deleteImage', 'uploadChart'],
  ].map((type): [string, object, string] => [type, event(undefined, { type }), `1 ${type}`]),
  ['a quota, which has no repository', event({ custom_attributes: {} }, { type: 'QUOTA_EXCEED' }), 'QUOTA_EXCEED'],
  ['a type of its own without data', event(undefined, { type: 'X', event_data: 5 }), '1 X'],
  ['a type without any data', { type: 'TAG_RETENTION' }, '1 TAG_RETENTION'],
  ['a deleted CloudEvent', cloudEvent(undefined, { type: 'harbor.artifact.deleted' }), 'harbor.artifact.deleted'],
  ['a scan as a CloudEvent', cloudEvent(7, { type: 'harbor.scan.completed' }), 'harbor.scan.completed'],
  ['no resource', event(eventData([])), 'no events'],
  ['no tag', of({ tag: undefined }), 'untagged manifest'],
  ['an empty tag', of({ tag: '' }), 'untagged manifest'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  [
    'a platform of a multi-arch image',
    of({ tag: digestOf('b'), resource_url: `harbor.example.com/library/api@${digestOf('b')}` }),
    'by its digest',
  ],
  [
    'the same by 2.0',
    of({ tag: digestOf('b'), resource_url: `harbor.example.com/library/api:${digestOf('b')}` }),
    'by its digest',
  ],
  ["a signature's tag", of({ tag: `sha256-${'b'.repeat(64)}.sig` }), 'signature'],
  ['a tag that is none', of({ tag: '../1' }), 'the tag is none'],
  ['a digest that is none', of({ digest: 'sha256:AA' }), 'the digest is none'],
  ['a name in capitals', of({}, { repo_full_name: 'library/Api' }), 'lower case'],
  ['a name that climbs', of({}, { repo_full_name: '../../api' }), 'not an image name'],
  ['no address', of({ resource_url: undefined }), 'give the source a "registry_host"'],
  ['a host that is a namespace on Docker Hub', of({ resource_url: 'harbor/library/api:1' }), 'registry_host'],
  ['a host with a password', of({ resource_url: 'a:b@harbor.example.com/library/api' }), 'not an image name'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, string | object, Headers, string]>([
  ['no type', event(undefined, { type: undefined }), json, 'type'],
  ['a type that is a list', event(undefined, { type: ['PUSH_ARTIFACT'] }), json, 'type'],
  ['no data', { type: 'PUSH_ARTIFACT' }, json, 'event_data'],
  ['data as text', event('x'), json, 'event_data'],
  ['resources as an object', event(eventData({})), json, 'event_data.resources'],
  ['a resource that is none', event(eventData(['x'])), json, 'event_data.resources.0'],
  ['a tag that is a number', of({ tag: 1 }), json, 'event_data.resources.0.tag'],
  ['a digest that is a list', of({ digest: [] }), json, 'event_data.resources.0.digest'],
  ['no repository', event({ resources: [resource()] }), json, 'event_data.repository'],
  ['a repository that is text', event(eventData([resource()], 'library/api')), json, 'event_data.repository'],
  [
    'a repository without a name',
    of({}, { repo_full_name: '', namespace: null }),
    json,
    'event_data.repository.repo_full_name',
  ],
  ['a thousand resources', event(eventData(Array(1000).fill(resource()))), json, 'event_data.resources'],
  ['no CloudEvent under its content type', event(), asCloudEvent, 'specversion'],
  ['a CloudEvent without an id', cloudEvent(undefined, { id: undefined }), asCloudEvent, 'id'],
  ['a CloudEvent without data', cloudEvent(undefined, { data: undefined }), asCloudEvent, 'data'],
  [
    'a CloudEvent with an odd tag',
    cloudEvent(eventData([resource({ tag: {} })])),
    asCloudEvent,
    'data.resources.0.tag',
  ],
])('422 that names the field: %s', async (_, what, headers, path) => {
  expectUnreadable(await deliver(what, headers), path);
});

test.each(brokenBodies)('422 for a body that is no event: %s', async (_, what) => {
  for (const headers of [json, asCloudEvent]) expect((await deliver(what, headers)).status).toBe(422);
});

test.each<[string, Headers, string, number]>([
  ['the Auth Header as it is', { authorization: SECRET }, '', 202],
  ['the previous secret', { authorization: PREVIOUS }, '', 202],
  ['as a bearer', bearer(), '', 202],
  ["as Basic's password", { authorization: `Basic ${Buffer.from(`harbor:${SECRET}`).toString('base64')}` }, '', 202],
  ['in the URL', {}, `?secret=${SECRET}`, 202],
  ['another secret', { authorization: WRONG }, '', 401],
  ['a beginning of the secret', { authorization: SECRET.slice(0, -1) }, '', 401],
  ['nothing', {}, '', 401],
  ['an empty header', { authorization: '' }, '', 401],
  ['the secret in another header', { 'x-harbor-secret': SECRET }, '', 401],
  ['two in the URL', {}, `?secret=${SECRET}&secret=${WRONG}`, 401],
])('%s', async (_, headers, query, status) => {
  const reply = await rig.deliver('harbor', event(), { ...json, ...headers }, query);
  expect(reply.status).toBe(status);
  if (status === 401) await expectRefused(rig, reply);
});

test('the secret of a source may be the whole header, with its first word', async () => {
  expect((await rig.deliver('whole', event(), { ...json, ...bearer() })).status).toBe(202);
  await forgetDeliveries(rig);
  await expectRefused(rig, await rig.deliver('whole', event(), authorized()));
});

test('who brings no secret is told nothing of what was wrong with the body', async () => {
  const wrong = { ...json, authorization: WRONG };
  for (const [, what] of brokenBodies) await expectRefused(rig, await rig.deliver('harbor', what, wrong));
});

test('413 for more than a mebibyte, 415 for another content type', async () => {
  expect((await deliver(`${bytes(event()) as string}${' '.repeat(1024 * 1024)}`)).status).toBe(413);
  expect((await deliver(event(), { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
});
