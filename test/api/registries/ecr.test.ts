import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy, digestOf } from '../../support/intake';
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

const HOST = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const ID = '1c2d0000-0000-4000-8000-000000000001';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('ecr', { kind: 'ecr', secrets: [SECRET, PREVIOUS], options: { header: 'X-Acme-Key' } });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** As EventBridge posts it; `undefined` leaves a field out. */
function event(fields: object = {}, detail: object = {}): object {
  return {
    ...{ version: '0', id: ID, 'detail-type': 'ECR Image Action', source: 'aws.ecr', account: '123456789012' },
    ...{ time: '2026-01-01T00:00:00Z', region: 'eu-west-1', resources: [] },
    detail: {
      ...{ result: 'SUCCESS', 'repository-name': 'team/api', 'image-digest': digestOf('a') },
      ...{ 'action-type': 'PUSH', 'image-tag': '1.4.2', ...detail },
    },
    ...fields,
  };
}

/** As the input transformer of Argo CD Image Updater's documentation makes it. */
function transformed(fields: object = {}, data: object = {}): object {
  return {
    ...{ specversion: '1.0', id: ID, type: 'com.amazon.ecr.image.push', time: '2026-01-01T00:00:00Z' },
    ...{ source: 'urn:aws:ecr:eu-west-1:123456789012:repository/team/api', subject: 'team/api:1.4.2' },
    data: {
      ...{ repositoryName: 'team/api', imageDigest: digestOf('a'), imageTag: '1.4.2', registryId: '123456789012' },
      ...data,
    },
    ...fields,
  };
}

const push = { registry: HOST, repository: 'team/api', tag: '1.4.2', digest: digestOf('a'), event_id: ID };
const signed = { ...json, ...bearer() };
const deliver = (body: string | Buffer | object, headers: Headers = signed) => rig.deliver('ecr', body, headers);

describe('a push', () => {
  test.each<[string, object, object]>([
    ['as EventBridge posts it', event(), {}],
    ['in a list of one', [event()], {}],
    ['as a CloudEvent', transformed(), {}],
    ['as a CloudEvent without the registry id', transformed({}, { registryId: undefined }), {}],
    ['as a CloudEvent in a list', [transformed()], {}],
    ['in China', event({ region: 'cn-north-1' }), { registry: '123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn' }],
    [
      'in China as a CloudEvent',
      transformed({ source: 'urn:aws-cn:ecr:cn-northwest-1:123456789012:repository/team/api' }),
      { registry: '123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn' },
    ],
    [
      "for a government's account",
      event({ region: 'us-gov-west-1' }),
      { registry: '123456789012.dkr.ecr.us-gov-west-1.amazonaws.com' },
    ],
    ['without a digest', event({}, { 'image-digest': undefined }), { digest: null }],
    ['without an id', event({ id: undefined }), { event_id: null }],
    [
      'with the media types of newer events',
      event({}, { 'manifest-media-type': 'application/vnd.oci.image.index.v1+json' }),
      {},
    ],
    ['with a time that is none', event({ time: 'soon' }), {}],
    ['with keys that nobody knows', event({ 'replay-name': 'x' }, { extra: [] }), {}],
  ])('%s', async (_, body, expected) => {
    expect(understood(await deliver(body))).toEqual(pushOf({ ...push, ...expected }));
  });

  test('is read as JSON under a type with a parameter, and keys that reach for prototypes change nothing', async () => {
    const headers = { ...signed, 'content-type': 'application/json; charset=utf-8' };
    expect(understood(await deliver(withPrototypeKeys(event()), headers))).toEqual(pushOf(push));
    expect((await deliver(event(), { ...signed, 'content-type': 'text/plain' })).status).toBe(415);
  });

  test.each<[string, object]>([
    ['of the source', { registry_host: '123456789012.dkr-ecr.eu-west-1.on.aws' }],
    ['of the account', { repositories: { '123456789012': '123456789012.dkr-ecr.eu-west-1.on.aws' } }],
  ])("the operator's name for it goes before: %s", async (_, place) => {
    await rig.source('placed', { kind: 'ecr', secrets: [SECRET], ...place });
    const reply = await rig.deliver('placed', event(), signed);
    expect(understood(reply)).toEqual(pushOf({ ...push, registry: '123456789012.dkr-ecr.eu-west-1.on.aws' }));
  });

  test('is known again by its id in whatever list it comes, and a tag moved back is a new one', async () => {
    await addPolicy(rig.database.pool, `${HOST}/team/api:*`);
    const outcomes = async (...bodies: object[]) => {
      const found: string[] = [];
      for (const body of bodies) found.push((await deliver(body)).json.outcome);
      return found;
    };
    const moved = event({ id: 'moved', time: '2026-01-01T00:01:00Z' }, { 'image-digest': digestOf('b') });
    const back = event({ id: 'back', time: '2026-01-01T00:02:00Z' });
    const late = event({ id: 'late', time: '2025-12-31T00:00:00Z' }, { 'image-digest': digestOf('c') });
    expect(await outcomes(event(), [event()], event({ id: 'again' }))).toEqual(['started', 'duplicate', 'duplicate']);
    expect(await outcomes(moved, back, event(), late)).toEqual(['superseding', 'superseding', 'duplicate', 'ignored']);
    const { rows } = await rig.database.pool.query(
      'select times_received from webhook_deliveries where delivery_key = $1',
      [`event:${ID}`],
    );
    expect(rows).toEqual([{ times_received: 3 }]);
    await rig.database.pool.query('delete from image_update_policies');
  });
});

describe('a list', () => {
  test('gives one result a push; what is odd or of no concern does not hold back its neighbours', async () => {
    const reply = await deliver([
      event({ id: 'one' }),
      event({ id: 'untagged' }, { 'image-tag': '' }),
      event({ id: 'odd' }, { 'repository-name': 7 }),
      7,
      transformed({ id: 'two' }, { imageTag: 'latest' }),
    ]);
    const { status, results } = understood(reply);
    expect([status, results.map((one) => [one.tag, one.event_id, one.outcome])]).toEqual([
      202,
      [
        ['1.4.2', 'one', 'no_matching_policy'],
        [null, null, 'ignored'],
        [null, null, 'ignored'],
        ['latest', 'two', 'no_matching_policy'],
      ],
    ]);
    expect(reply.json.results[1].detail).toContain('2.detail.repository-name');
  });

  test('of a hundred is accepted whole, and one that is longer than what is read is refused', async () => {
    const events = (count: number) =>
      Array.from({ length: count }, (_, index) => event({ id: `e${index}` }, { 'image-tag': `1.${index}` }));
    const reply = await deliver(events(100));
    expect([reply.status, reply.json.results.length]).toEqual([202, 100]);
    const longer = await deliver(events(1001));
    expectUnreadable(longer, '');
    expect(longer.json.errors[0].message).toContain('1001');
  });
});

test.each<[string, object, string]>([
  ['a delete', event({}, { 'action-type': 'DELETE' }), 'DELETE'],
  ['a push that failed', event({}, { result: 'FAILURE' }), 'PUSH that did not succeed'],
  ['an empty tag', event({}, { 'image-tag': '' }), 'untagged'],
  ['no tag', event({}, { 'image-tag': undefined }), 'untagged'],
  ['a CloudEvent without a tag', transformed({}, { imageTag: '' }), 'untagged'],
  ['a scan', event({ 'detail-type': 'ECR Image Scan', detail: { 'scan-status': 'COMPLETE' } }), '1 ECR Image Scan'],
  ['a replication', event({ 'detail-type': 'ECR Replication Action' }), '1 ECR Replication Action'],
  ['an event of another service', event({ source: 'aws.ec2', detail: {} }), 'another service'],
  ['a CloudEvent of another type', transformed({ type: 'com.amazon.ecr.image.delete' }), 'another kind'],
  ['a Helm chart', event({}, { 'artifact-media-type': 'application/vnd.cncf.helm.config.v1+json' }), 'Helm chart'],
  ['an empty list', [], 'no events'],
])('nothing is pushed by %s', async (_, body, reason) => {
  await expectNothingPushed(rig, await deliver(body), reason);
});

test.each<[string, object, string]>([
  ['an account that names a host', event({ account: 'evil.example.com/1' }), 'account and region'],
  ['a region that names a host', event({ region: 'evil.example.com/x-1' }), 'account and region'],
  ['a region with a line break', event({ region: 'eu-west-1\n' }), 'account and region'],
  ['a source without a region', transformed({ source: 'https://evil.example.com' }), 'account and region'],
  ['a tag that is a digest', event({}, { 'image-tag': digestOf('a') }), 'under no tag'],
  ['a tag that holds a signature', event({}, { 'image-tag': `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a tag that is none', event({}, { 'image-tag': '../latest' }), 'tag is none'],
  ['a name in capitals', event({}, { 'repository-name': 'Team/api' }), 'lower case'],
  ['a name with a tag', event({}, { 'repository-name': 'team/api:1' }), 'without tag'],
  ['a name that leads elsewhere', event({}, { 'repository-name': '../../evil' }), 'not an image name'],
  ['a digest that is none', event({}, { 'image-digest': 'sha256:AA' }), 'digest is none'],
])('%s is recorded, and never rolled out', async (_, body, reason) => {
  expectUnusable(await deliver(body), reason);
});

test.each<[string, object, string]>([
  ['a list of nothing else', [event({ detail: null })], '0.detail'],
  ['no detail type', event({ 'detail-type': undefined }), 'detail-type'],
  ['an account that is a number', event({ account: 123456789012 }), 'account'],
  ['a detail that is a text', event({ detail: 'PUSH' }), 'detail'],
  ['a tag that is a number', event({}, { 'image-tag': 7 }), 'detail.image-tag'],
  ['a digest that is a list', event({}, { 'image-digest': [digestOf('a')] }), 'detail.image-digest'],
  ['no repository', event({}, { 'repository-name': undefined }), 'detail.repository-name'],
  ['a CloudEvent of another version', transformed({ specversion: '0.3' }), 'specversion'],
  ['a CloudEvent without a repository', transformed({}, { repositoryName: undefined }), 'data.repositoryName'],
  ['a CloudEvent without data', transformed({ data: undefined }), 'data'],
])('422 naming the field: %s', async (_, body, path) => {
  expectUnreadable(await deliver(body), path);
});

test.each(brokenBodies)('%s is refused', async (_, body) => {
  expect((await deliver(body)).status).toBe(422);
});

test.each<[string, Headers, string]>([
  ['the previous secret', bearer(PREVIOUS), ''],
  ['an API key', { 'x-api-key': SECRET }, ''],
  ['an API key under the name of its option', { 'x-acme-key': SECRET }, ''],
  ['an API key called Authorization', { authorization: SECRET }, ''],
  ['a password', { authorization: `Basic ${Buffer.from(`fleetwave:${SECRET}`).toString('base64')}` }, ''],
  ["an invocation parameter beside OAuth's token", { authorization: 'Bearer eyJ0.eyJ0.c2ln' }, `?secret=${SECRET}`],
])('is let in by %s', async (_, headers, query) => {
  expect((await rig.deliver('ecr', event(), { ...json, ...headers }, query)).status).toBe(202);
});

test.each<[string, Headers, string]>([
  ['nothing', {}, ''],
  ['another secret', bearer(WRONG), ''],
  ['the secret in a header of another name', { 'x-other-key': SECRET }, ''],
  ['half the secret', { 'x-api-key': SECRET.slice(0, -1) }, ''],
  ['two secrets in the URL', {}, `?secret=${SECRET}&secret=${SECRET}`],
])('401 without a hint: %s', async (_, headers, query) => {
  await expectRefused(rig, await rig.deliver('ecr', event(), { ...json, ...headers }, query));
});
