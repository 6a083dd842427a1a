import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  expectNothingPushed,
  expectRefused,
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
  await rig.source('grid', { kind: 'eventgrid', secrets: [SECRET, PREVIOUS], options: { header: HEADER } });
  await rig.source('open', { kind: 'eventgrid', allow_unsigned: true });
  const options = { allowed_origins: ['eventgrid.azure.net'] };
  await rig.source('picky', { kind: 'eventgrid', secrets: [SECRET], options, registry_host: 'registry.inside.io' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const PUSHED = 'Microsoft.ContainerRegistry.ImagePushed';
const TOPIC = '/subscriptions/1/resourceGroups/fleet/providers/Microsoft.ContainerRegistry/registries/acmeregistry';
const cloud = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const batch = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' };

const data = (of: object = {}, fields: object = {}): object => ({
  ...{ id: 'inner', timestamp: '2026-01-01T00:00:00.276585742Z', action: 'push', location: 'westus' },
  target: {
    ...{ mediaType: 'application/vnd.docker.distribution.manifest.v2+json', size: 3023, length: 3023 },
    ...{ digest: digestOf('a'), repository: 'team/api', tag: '1.4.2', ...of },
  },
  request: { id: '7c', host: 'acmeregistry.azurecr.io', method: 'PUT', useragent: 'docker/28.0.1' },
  ...fields,
});
/** In Event Grid's own schema. */
const event = (fields: object = {}): object => ({
  ...{ id: 'e1', topic: TOPIC, subject: 'team/api:1.4.2', eventType: PUSHED, eventTime: '2026-01-01T00:00:01Z' },
  ...{ data: data(), dataVersion: '1.0', metadataVersion: '1', ...fields },
});
const cloudEvent = (fields: object = {}): object => ({
  ...{ specversion: '1.0', id: 'e1', source: TOPIC, subject: 'team/api:1.4.2', type: PUSHED },
  ...{ time: '2026-01-01T00:00:01Z', data: data(), ...fields },
});
const deliver = (what: string | Buffer | object, headers: Headers = {}, source = 'grid') =>
  rig.deliver(source, what, { ...json, ...bearer(), 'aeg-event-type': 'Notification', ...headers });
const known = { registry: 'acmeregistry.azurecr.io', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf({ ...known, event_id: 'e1' });
const two = { status: 202, results: [...api.results, { ...api.results[0], event_id: 'e2', tag: '2' }] };

describe('a push', () => {
  test.each<[string, string | object, Headers, { status: number; results: object[] }]>([
    ['in a list of one', [event()], {}, api],
    ['in a list of two', [event(), event({ id: 'e2', data: data({ tag: '2' }) })], {}, two],
    ['without its list', event(), {}, api],
    ['as a CloudEvent', cloudEvent(), cloud, api],
    ['as a CloudEvent under plain JSON', cloudEvent(), {}, api],
    ['as a batch of CloudEvents', [cloudEvent(), cloudEvent({ id: 'e2', data: data({ tag: '2' }) })], batch, two],
    ['as CloudEvents under plain JSON', [cloudEvent(), event({ id: 'e2', data: data({ tag: '2' }) })], {}, two],
    [
      'as a CloudEvent in binary mode',
      data(),
      { 'ce-specversion': '1.0', 'ce-id': 'e1', 'ce-source': TOPIC, 'ce-type': PUSHED },
      api,
    ],
    [
      'without an action and a time of its own',
      [event({ data: data({}, { action: undefined, timestamp: 7 }) })],
      {},
      api,
    ],
    ['with odd hints', [event({ topic: 7, subject: {}, eventTime: null })], {}, api],
    ['among others', [event({ eventType: 'Microsoft.ContainerRegistry.ImageDeleted' }), event()], {}, api],
    ['with keys that reach for prototypes', `[${withPrototypeKeys(event())}]`, {}, api],
  ])('%s', async (_, what, headers, expected) => {
    expect(understood(await deliver(what, headers))).toEqual(expected);
  });

  test('is not held back by an odd neighbour, which is recorded with its field', async () => {
    const odd = [
      ...[null, 7, [], { eventType: PUSHED }, event({ data: null }), event({ data: data({ repository: 7 }) })],
      cloudEvent({ id: '' }),
    ];
    const reply = await deliver([...odd, event()]);
    expect(reply.status).toBe(202);
    expect(reply.json.results.map((one: any) => [one.outcome, one.detail])).toEqual([
      ['ignored', expect.stringContaining('cannot be read: 0: ')],
      ['ignored', expect.stringContaining('cannot be read: 1: ')],
      ['ignored', expect.stringContaining('cannot be read: 2: ')],
      ['ignored', expect.stringContaining('cannot be read: 3.id: ')],
      ['ignored', expect.stringContaining('cannot be read: 4.data: ')],
      ['ignored', expect.stringContaining('cannot be read: 5.data.target.repository: ')],
      ['ignored', expect.stringContaining('cannot be read: 6.id: ')],
      ['no_matching_policy', expect.any(String)],
    ]);
    expect(reply.json.outcome).toBe('ignored');
  });

  test('is known again by its id in another envelope', async () => {
    await deliver([event()]);
    await deliver(cloudEvent(), cloud);
    await deliver([event(), event({ id: 'e2' })], { 'aeg-delivery-count': '1' });
    const { rows } = await rig.database.pool.query(
      'select delivery_key, times_received from webhook_deliveries order by delivery_key',
    );
    expect(rows).toEqual([
      { delivery_key: 'event:e1', times_received: 3 },
      { delivery_key: 'event:e2', times_received: 1 },
    ]);
  });

  test('is pulled from where the operator says', async () => {
    const reply = await deliver([event({ data: data({}, { request: { host: 'evil.io' } }) })], {}, 'picky');
    expect(understood(reply)).toEqual(pushOf({ ...api.results[0], registry: 'registry.inside.io' }));
  });

  test.each<[string, object, string]>([
    ['of no host', data({}, { request: null }), 'request.host'],
    ['of a host that is a namespace on Docker Hub', data({}, { request: { host: 'acme' } }), 'registry_host'],
    ['of a tag that is a digest', data({ tag: digestOf('a') }), 'by its digest'],
    ['of a digest that is none', data({ digest: 'sha256:0' }), 'the digest is none'],
    ['of a name that is none', data({ repository: 'Team/Api' }), 'lower case'],
  ])('%s is recorded', async (_, of, reason) => {
    const reply = await deliver([event({ data: of })]);
    expect([reply.status, reply.json.results[0].outcome]).toEqual([200, 'ignored']);
    expect(reply.json.message).toContain(reason);
  });
});

test('a full batch of 5,000 is taken whole', async () => {
  const request = { host: 'acmeregistry.azurecr.io' };
  const events = Array.from({ length: 5000 }, (_, index) => ({
    ...{ id: `e${String(index)}`, eventType: PUSHED },
    data: { target: { repository: 'team/api', tag: `v${String(index)}` }, request },
  }));
  const reply = await deliver(events);
  expect([reply.status, reply.json.results?.length]).toEqual([202, 5000]);
}, 600_000);

test.each<[string, object, string]>([
  ['a deleted image', event({ eventType: 'Microsoft.ContainerRegistry.ImageDeleted' }), 'delete'],
  ['a chart', event({ eventType: 'Microsoft.ContainerRegistry.ChartPushed', data: {} }), 'Helm chart'],
  ['a deleted chart', event({ eventType: 'Microsoft.ContainerRegistry.ChartDeleted', data: {} }), 'Helm chart'],
  [
    'another resource',
    event({ eventType: 'Microsoft.Storage.BlobCreated', data: { url: 'https://evil.io' } }),
    'another type',
  ],
  ['the end of a subscription', event({ eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent' }), 'subscription'],
  ['an untagged manifest', event({ data: data({ tag: undefined }) }), 'untagged'],
  ['a blob', event({ data: data({ mediaType: 'application/octet-stream' }) }), 'blob'],
])('nothing is pushed by %s', async (_, one, reason) => {
  await expectNothingPushed(rig, await deliver([one]), reason);
});

test('nothing is pushed by an empty list', async () => {
  await expectNothingPushed(rig, await deliver([]), 'no events');
});

// It repeats everything but 200 to 204 for a day.
test.each<[string, string | Buffer | object, Headers]>([
  ...brokenBodies.map(([name, body]): [string, string | Buffer, Headers] => [name, body, {}]),
  ['a CloudEvent without an id', cloudEvent({ id: undefined }), cloud],
  ['a batch that is no list', cloudEvent(), batch],
  ['a push without data', event({ data: undefined }), {}],
])('200 and recorded for what cannot be read: %s', async (_, what, headers) => {
  const reply = await deliver(what, headers);
  expect([reply.status, reply.json.outcome]).toEqual([200, 'ignored']);
  const { rows } = await rig.database.pool.query("select results -> 0 ->> 'detail' as why from webhook_deliveries");
  expect(rows).toEqual([{ why: expect.stringContaining('cannot be read') }]);
});

describe('the handshakes', () => {
  const code = { validationCode: '512d38b6-c7b8-40c8-89fe-f46f9e9622b6', validationUrl: 'https://evil.io/validate' };
  const asked = (fields: object = {}) =>
    event({ eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', subject: '', data: code, ...fields });
  const validate = (what: object, headers: Headers = {}, query = `?secret=${SECRET}`) =>
    rig.deliver('grid', what, { ...json, 'aeg-event-type': 'SubscriptionValidation', ...headers }, query);

  test('a validation is answered with its code, and leaves no row', async () => {
    for (const what of [[asked()], asked()]) {
      const reply = await validate(what);
      expect([reply.status, reply.json]).toEqual([200, { validationResponse: code.validationCode }]);
    }
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
  });

  test.each<[string, object[]]>([
    ['after', [event(), asked()]],
    ['before', [asked(), event()]],
    ['after, without its code,', [event(), asked({ data: {} })]],
  ])('a push that a validation comes %s is stored, and the validation answered', async (order, what) => {
    const reply = await validate(what);
    const isConfirmed = !order.includes('without');
    expect(understood(reply)).toEqual({ ...api, status: isConfirmed ? 200 : 202 });
    expect(reply.json.validationResponse).toBe(isConfirmed ? code.validationCode : undefined);
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
  });

  test('a validation is answered to nobody without the secret', async () => {
    for (const query of ['', `?secret=${WRONG}`]) await expectRefused(rig, await validate([asked()], {}, query));
  });

  test.each<[string, object]>([
    ['no data', asked({ data: undefined })],
    ['no code', asked({ data: { validationUrl: 'https://evil.io' } })],
    ['a code that is an object', asked({ data: { validationCode: {} } })],
    ['a code that is endless', asked({ data: { validationCode: 'x'.repeat(1001) } })],
  ])('422 for a validation with %s', async (_, what) => {
    const reply = await validate([what]);
    expect([reply.status, reply.json.errors[0].path]).toEqual([422, '0.data.validationCode']);
  });

  test('a push that only speaks of a validation is a push', async () => {
    const reply = await deliver([event({ subject: 'Microsoft.EventGrid.SubscriptionValidationEvent' })]);
    expect(understood(reply)).toEqual(api);
  });

  const ask = (source: string, headers: Headers, query = '') =>
    rig.call('OPTIONS', `/api/v1/webhooks/${source}${query}`, { headers });
  const origin = { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' };

  test.each<[string, string, Headers, string]>([
    ['with the secret in the URL', 'grid', {}, `?secret=${SECRET}`],
    ['with a header', 'grid', bearer(PREVIOUS), ''],
    ['without a secret, which a header need not bring along here', 'grid', {}, ''],
    ['of a source that asks for none', 'open', bearer(WRONG), ''],
    ['of an origin that is allowed', 'picky', {}, ''],
  ])('OPTIONS is answered: %s', async (_, source, headers, query) => {
    const reply = await ask(source, { ...origin, ...headers }, query);
    expect([reply.status, reply.text]).toEqual([200, '']);
    expect(
      Object.fromEntries(
        ['webhook-allowed-origin', 'webhook-allowed-rate', 'allow'].map((name) => [name, reply.headers.get(name)]),
      ),
    ).toEqual({ 'webhook-allowed-origin': 'eventgrid.azure.net', 'webhook-allowed-rate': '*', allow: 'POST' });
  });

  test.each<[string, string, Headers, string, number]>([
    ['a wrong secret in the URL', 'grid', origin, `?secret=${WRONG}`, 401],
    ['a wrong header', 'grid', { ...origin, ...bearer(WRONG) }, '', 401],
    ['an origin that is not allowed', 'picky', { 'webhook-request-origin': 'evil.io' }, '', 403],
    ['an origin that is none', 'grid', { 'webhook-request-origin': '<script>' }, '', 403],
    ['no origin', 'grid', {}, '', 405],
    ['no source', 'nobody', origin, '', 404],
  ])('OPTIONS is refused: %s', async (_, source, headers, query, status) => {
    const reply = await ask(source, headers, query);
    expect([reply.status, reply.headers.get('webhook-allowed-origin')]).toEqual([status, null]);
  });
});

test.each(secretHeaders)('the secret %s', async (_, headers, query, verdict) => {
  const reply = await rig.deliver('grid', [event()], { ...json, ...headers }, query);
  if (verdict === 'taken') expect(understood(reply)).toEqual(api);
  else await expectRefused(rig, reply);
});
