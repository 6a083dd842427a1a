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
  await rig.source('tcr', { kind: 'tencent', secrets: [SECRET, PREVIOUS], options: { header: 'X-Tcr-Token' } });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const resource = (fields: object = {}): object => ({
  ...{ digest: digestOf('a'), tag: '1.4.2', resource_url: 'acme.tencentcloudcr.com/team/api:1.4.2' },
  ...fields,
});
function event(resources: unknown = [resource()], fields: object = {}, repository: object = {}): object {
  return {
    ...{ type: 'pushImage', occur_at: 1767225600, operator: '100000000001' },
    event_data: {
      resources,
      repository: {
        ...{
          date_created: 1760000000,
          name: 'api',
          namespace: 'team',
          repo_full_name: 'team/api',
          repo_type: 'private',
        },
        ...repository,
      },
    },
    ...fields,
  };
}
const push = { registry: 'acme.tencentcloudcr.com', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const signed = { ...json, 'x-tcr-token': SECRET };
const deliver = (body: string | Buffer | object, headers: Headers = signed) => rig.deliver('tcr', body, headers);

test.each<[string, object, object]>([
  ["by Harbor's earlier name of the event", event(), {}],
  ["by Harbor's later name", event(undefined, { type: 'PUSH_ARTIFACT' }), {}],
  ['without a digest', event([resource({ digest: '' })]), { digest: null }],
  ['without its full name', event(undefined, {}, { repo_full_name: undefined }), {}],
  ['without a time', event(undefined, { occur_at: undefined }), {}],
  ['with a time that is a text', event(undefined, { occur_at: '2026-01-01' }), {}],
])('a push %s', async (_, body, expected) => {
  expect(understood(await deliver(body))).toEqual(pushOf({ ...push, ...expected }));
});

test('every resource is a push of its own, from its own host', async () => {
  const resources = [
    resource(),
    resource({ tag: 'latest', resource_url: 'acme-vpc.tencentcloudcr.com/team/api:latest' }),
    resource({ tag: digestOf('a'), resource_url: `acme.tencentcloudcr.com/team/api@${digestOf('a')}` }),
  ];
  const { status, results } = understood(await deliver(withPrototypeKeys(event(resources))));
  expect([status, results]).toEqual([
    202,
    [
      { ...push, event_id: null, outcome: 'no_matching_policy' },
      {
        ...push,
        registry: 'acme-vpc.tencentcloudcr.com',
        tag: 'latest',
        event_id: null,
        outcome: 'no_matching_policy',
      },
      {
        registry: null,
        repository: 'team/api',
        tag: digestOf('a'),
        digest: digestOf('a'),
        event_id: null,
        outcome: 'ignored',
      },
    ],
  ]);
});

test("the operator's host goes before the event's", async () => {
  await rig.source('placed', { kind: 'tencent', secrets: [SECRET], registry_host: 'registry.acme.cn' });
  const reply = await rig.deliver('placed', event(), { ...json, ...bearer() });
  expect(understood(reply)).toEqual(pushOf({ ...push, registry: 'registry.acme.cn' }));
});

test('the same body is a repetition', async () => {
  for (let times = 0; times < 3; times += 1) await deliver(event());
  await deliver(event(undefined, { occur_at: 1767225601 }));
  const { rows } = await rig.database.pool.query(
    'select times_received from webhook_deliveries order by times_received desc',
  );
  expect(rows).toEqual([{ times_received: 3 }, { times_received: 1 }]);
});

test.each<[string, object, string]>([
  ['a delete', event(undefined, { type: 'deleteImage' }), 'deleteImage'],
  ['a chart', event(undefined, { type: 'pushChart', event_data: null }), 'pushChart'],
  ['no resources', event([]), 'no events'],
  ['an empty tag', event([resource({ tag: '' })]), 'untagged'],
])('nothing is pushed by %s', async (_, body, reason) => {
  await expectNothingPushed(rig, await deliver(body), reason);
});

test.each<[string, object, string]>([
  ['a tag that is a digest', event([resource({ tag: digestOf('a') })]), 'under no tag'],
  ['no address', event([resource({ resource_url: undefined })]), 'resource_url'],
  ['an address without a host', event([resource({ resource_url: '/team/api:1.4.2' })]), 'resource_url'],
  ['a host that is a namespace', event([resource({ resource_url: 'acme/team/api:1.4.2' })]), 'resource_url'],
  [
    'a host with a name before it',
    event([resource({ resource_url: 'a@evil.example.com/team/api:1' })]),
    'not an image name',
  ],
  ['a name that leads elsewhere', event(undefined, {}, { repo_full_name: '../evil' }), 'not an image name'],
])('%s is recorded, and never rolled out', async (_, body, reason) => {
  expectUnusable(await deliver(body), reason);
});

test.each<[string, object, string]>([
  ['no type', event(undefined, { type: undefined }), 'type'],
  ['no data', event(undefined, { event_data: undefined }), 'event_data'],
  ['resources that are no list', event({ 0: resource() }), 'event_data.resources'],
  ['a tag that is a number', event([resource({ tag: 7 })]), 'event_data.resources.0.tag'],
  ['no name', event(undefined, {}, { repo_full_name: '', name: '' }), 'event_data.repository.repo_full_name'],
])('422 naming the field: %s', async (_, body, path) => {
  expectUnreadable(await deliver(body), path);
});

test.each(brokenBodies)('%s is refused', async (_, body) => {
  expect((await deliver(body)).status).toBe(422);
});

test.each<[string, Headers]>([
  ['the previous secret', { 'x-tcr-token': PREVIOUS }],
  ['the whole Authorization header', { authorization: SECRET }],
  ['a bearer token', bearer()],
])('is let in by %s', async (_, headers) => {
  expect((await deliver(event(), { ...json, ...headers })).status).toBe(202);
});

test.each<[string, Headers]>([
  ['nothing', {}],
  ['another secret', { 'x-tcr-token': WRONG, ...bearer(WRONG) }],
  ['the secret in another header', { 'x-other': SECRET }],
])('401 without a hint: %s', async (_, headers) => {
  await expectRefused(rig, await deliver(event(), { ...json, ...headers }));
});
