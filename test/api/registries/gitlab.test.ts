import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
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

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('gitlab', { kind: 'gitlab', secrets: [SECRET, PREVIOUS] });
  await rig.source('inside', { kind: 'gitlab', secrets: [SECRET], registry_host: 'registry.inside.io:5050' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** As the registry of a self-managed GitLab sends it, with the kind of user beside the actor's name. */
const event = (target: object = {}, fields: object = {}): object => ({
  ...{ id: 'a582a0f3-e620-43e6-8e98-ff850fc9d984', timestamp: '2026-01-25T14:45:54.17327+11:00', action: 'push' },
  target: {
    ...{ mediaType: 'application/vnd.docker.distribution.manifest.v2+json', size: 528, length: 528 },
    ...{ digest: digestOf('a'), repository: 'acme/team/api', tag: '1.4.2' },
    ...{ url: `http://registry.test:5000/v2/acme/team/api/manifests/${digestOf('a')}`, ...target },
  },
  ...{ request: { id: '8e', addr: '10.0.0.1:1', host: 'registry.example.com:5050', method: 'PUT' } },
  ...{ actor: { name: 'root', user_type: 'personal_access_token' }, source: { addr: 'a:5000', instanceID: '45' } },
  ...fields,
});
const envelope = (...events: unknown[]): object => ({ events });
const v1 = { 'content-type': 'application/vnd.docker.distribution.events.v1+json' };
const v2 = { 'content-type': 'application/vnd.docker.distribution.events.v2+json' };
const authorized = (headers: Headers): Headers => ({ ...headers, authorization: SECRET });
const deliver = (what: string | Buffer | object, headers: Headers = v1, source = 'gitlab') =>
  rig.deliver(source, what, authorized(headers));
const api = pushOf({
  ...{ registry: 'registry.example.com:5050', repository: 'acme/team/api', tag: '1.4.2', digest: digestOf('a') },
  event_id: 'a582a0f3-e620-43e6-8e98-ff850fc9d984',
});

test.each<[string, string | object, Headers]>([
  ['of its first content type', envelope(event()), v1],
  ['of its second content type', envelope(event()), v2],
  ['of plain JSON', envelope(event()), json],
  [
    'among layers, a pull, a deleted tag and a renamed repository',
    envelope(
      event({ mediaType: 'application/octet-stream', tag: undefined }, { id: '1' }),
      event({}, { id: '2', action: 'pull' }),
      event({ digest: undefined, mediaType: undefined }, { id: '3', action: 'delete' }),
      event({ rename: { from: 'acme/old', to: 'acme/team/api', type: 'name' } }, { id: '4', action: 'rename' }),
      event({ tag: undefined }, { id: '5' }),
      event({ tag: 7 }, { id: '6' }),
      event(),
    ),
    v1,
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(envelope(event())), v1],
])('a push %s', async (_, what, headers) => {
  expect(understood(await deliver(what, headers))).toEqual(api);
});

test('each event is known by its id, in whatever envelope it comes', async () => {
  const other = event({ tag: 'latest' }, { id: 'another' });
  await deliver(envelope(event(), other));
  await deliver(envelope(other));
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by 1');
  expect(rows).toEqual([{ times_received: 1 }, { times_received: 2 }]);
});

test("the operator's host goes before the pusher's", async () => {
  const { results } = understood(await deliver(envelope(event({}, { request: { host: 'registry' } })), v1, 'inside'));
  expect(results).toEqual([{ ...api.results[0], registry: 'registry.inside.io:5050' }]);
});

test.each<[string, Headers]>([
  ['Tag Push Hook', { authorization: SECRET }],
  ['Pipeline Hook', { 'X-Gitlab-Token': SECRET }],
])("a project's webhook is of no concern: %s", async (hook, headers) => {
  const reply = await rig.deliver(
    'gitlab',
    { object_kind: 'tag_push' },
    { ...json, 'X-Gitlab-Event': hook, ...headers },
  );
  await expectNothingPushed(rig, reply, hook);
});

test.each([...brokenBodies, ['no envelope', '{}'] as const])(
  'what cannot be read is recorded, since the registry repeats what is refused: %s',
  async (_, what) => {
    const reply = await deliver(what);
    expect([reply.status, reply.json.outcome]).toEqual([200, 'ignored']);
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
  },
);

test.each<[string, Headers, string, number]>([
  ['the whole header', { authorization: SECRET }, '', 202],
  ['the previous secret', { authorization: PREVIOUS }, '', 202],
  ['a bearer', bearer(), '', 202],
  ["Basic's password", { authorization: `Basic ${Buffer.from(`gitlab:${SECRET}`).toString('base64')}` }, '', 202],
  ['X-Gitlab-Token', { 'X-Gitlab-Token': SECRET }, '', 202],
  ['in the URL', {}, `?secret=${SECRET}`, 202],
  ['another secret', { authorization: WRONG }, '', 401],
  ['another token', { 'X-Gitlab-Token': WRONG }, '', 401],
  ['nothing', {}, '', 401],
])('%s', async (_, headers, query, status) => {
  const reply = await rig.deliver('gitlab', envelope(event()), { ...v1, ...headers }, query);
  expect(reply.status).toBe(status);
  if (status === 401) await expectRefused(rig, reply);
});
