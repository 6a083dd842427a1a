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
  hmac,
  json,
  PREVIOUS,
  pushOf,
  SECRET,
  startRegistryRig,
  understood,
  withPrototypeKeys,
  WRONG,
  type RegistryRig,
} from '../../support/registry-deliveries';

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  const jfrog = { kind: 'jfrog', secrets: [SECRET, PREVIOUS] };
  await rig.source('plain', jfrog);
  await rig.source('signing', { ...jfrog, options: { use_secret_for_signing: true } });
  await rig.source('hosted', { ...jfrog, registry_host: 'artifactory.acme.io:8082' });
  await rig.source('mapped', {
    ...jfrog,
    registry_host: 'artifactory.acme.io',
    repositories: { 'docker-local': 'docker.acme.io', 'edge-local': 'acme.jfrog.io/docker-virtual' },
  });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const HEX = 'a'.repeat(64);
const data = (fields: object = {}): object => ({
  ...{ repo_key: 'docker-local', path: 'team/api/1.4.2/manifest.json', name: 'manifest.json', sha256: HEX, size: 1206 },
  ...{ image_name: 'api', tag: '1.4.2', platforms: [], image_type: 'docker' },
  ...fields,
});
function body(fields: object = {}, around: object = {}): object {
  return {
    ...{ domain: 'docker', event_type: 'pushed', data: data(fields) },
    ...{ subscription_key: 'deploys', jpd_origin: 'https://acme.jfrog.io', source: 'jfrog/jfrt@01abc' },
    ...around,
  };
}
const deliver = (what: string | Buffer | object, source = 'plain') =>
  rig.deliver(source, what, { ...json, 'x-jfrog-event-auth': SECRET });
const push = { registry: 'acme.jfrog.io', repository: 'docker-local/team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf(push);

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of an image', body(), api],
  ["whose image_name is the whole, as in JFrog's example", body({ image_name: 'team/api' }), api],
  ['without an image_name', body({ image_name: undefined }), api],
  ['of an index', body({ path: 'team/api/1.4.2/list.manifest.json', name: 'list.manifest.json' }), api],
  [
    'of a deep path',
    body({ path: 'a/b/c/1.4.2/manifest.json' }),
    pushOf({ ...push, repository: 'docker-local/a/b/c' }),
  ],
  ['of a short path', body({ path: 'api/1.4.2/manifest.json' }), pushOf({ ...push, repository: 'docker-local/api' })],
  ['of a path from the root', body({ path: '/team/api/1.4.2/manifest.json' }), api],
  ['of an OCI repository', body({ image_type: 'oci' }), api],
  ['with a prefix before the checksum', body({ sha256: digestOf('a') }), api],
  ['without a checksum', body({ sha256: null }), pushOf({ ...push, digest: null })],
  [
    'from a port',
    body({}, { jpd_origin: 'http://artifactory.lan:8081/' }),
    pushOf({ ...push, registry: 'artifactory.lan:8081' }),
  ],
  [
    'in the form that was documented first',
    { ...data(), event_type: 'pushed', jpd_origin: 'https://acme.jfrog.io' },
    api,
  ],
  ['with its type inside', body({ event_type: 'pushed' }, { event_type: undefined, domain: undefined }), api],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test.each<[string, string, object, Partial<typeof push>]>([
  ["the operator's host goes before the event's", 'hosted', body(), { registry: 'artifactory.acme.io:8082' }],
  [
    'it is needed where no base URL is configured',
    'hosted',
    body({}, { jpd_origin: undefined }),
    { registry: 'artifactory.acme.io:8082' },
  ],
  ['a repository with a domain of its own', 'mapped', body(), { registry: 'docker.acme.io', repository: 'team/api' }],
  [
    'a local repository pulled through a virtual one',
    'mapped',
    body({ repo_key: 'edge-local' }),
    { repository: 'docker-virtual/team/api' },
  ],
  [
    'a repository beside the map',
    'mapped',
    body({ repo_key: 'other' }),
    { registry: 'artifactory.acme.io', repository: 'other/team/api' },
  ],
  [
    'a repository named as a prototype is',
    'mapped',
    body({ repo_key: 'constructor' }),
    { registry: 'artifactory.acme.io', repository: 'constructor/team/api' },
  ],
])('where it is pulled from: %s', async (_, source, what, expected) => {
  expect(understood(await deliver(what, source))).toEqual(pushOf({ ...push, ...expected }));
});

test.each<[string, object, string]>([
  ['a deletion', body({ path: 7 }, { event_type: 'deleted' }), '1 docker deleted'],
  ['a promotion', body({}, { event_type: 'promoted' }), '1 docker promoted'],
  ['a file', body({ path: 'a.jar' }, { domain: 'artifact', event_type: 'deployed' }), '1 artifact deployed'],
  ['a build', { domain: 'build', event_type: 'uploaded', data: { build_name: 'x' } }, '1 build uploaded'],
  ['an empty tag', body({ tag: '' }), 'untagged manifest'],
  ['no tag', body({ tag: undefined }), 'untagged manifest'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  [
    "a platform's manifest, by its digest",
    body({ path: `team/api/sha256:${HEX}/manifest.json`, tag: `sha256:${HEX}` }),
    'by its digest',
  ],
  [
    'the same as Artifactory names files',
    body({ path: `team/api/sha256__${HEX}/manifest.json`, tag: `sha256__${HEX}` }),
    'by its digest',
  ],
  ["a signature's tag", body({ tag: `sha256-${HEX}.sig` }), 'signature'],
  ['a checksum that is none', body({ sha256: 'sample_checksum' }), 'the digest is none'],
  ['a path that is none', body({ path: 'path/sample.txt' }), 'data.path'],
  ['a path that climbs', body({ path: '../../evil/1.4.2/manifest.json' }), 'not an image name'],
  ['capitals', body({ path: 'Team/api/1.4.2/manifest.json' }), 'lower case'],
  ['no origin', body({}, { jpd_origin: undefined }), 'jpd_origin'],
  ['an origin that is a number', body({}, { jpd_origin: 7 }), 'jpd_origin'],
  ['an origin of another kind', body({}, { jpd_origin: 'file:///etc/passwd' }), 'jpd_origin'],
  [
    'a short origin, which would be a namespace of Docker Hub',
    body({}, { jpd_origin: 'http://artifactory/' }),
    'registry_host',
  ],
])('never rolled out: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no type', body({}, { event_type: undefined }), 'event_type'],
  ['a type that is a number', body({}, { event_type: 7 }), 'event_type'],
  ['a domain that is a list', body({}, { domain: ['docker'] }), 'domain'],
  ['data that is a text', { ...body(), data: 'docker-local' }, 'data'],
  ['no repository', body({ repo_key: undefined }), 'data.repo_key'],
  ['no path', body({ path: undefined }), 'data.path'],
  ['a tag that is a number', body({ tag: 1 }), 'data.tag'],
  ['a checksum that is a number', body({ sha256: 1 }), 'data.sha256'],
  ['no path in the first form', { ...data({ path: undefined }), event_type: 'pushed' }, 'path'],
])('422 naming the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is %s', async (_, raw) => {
  expectUnreadable(await deliver(raw), '');
});

describe('the proof', () => {
  const signature = hmac('sha256', body());
  const sent = (source: string, auth: string | null, headers = json, query = '') =>
    rig.deliver(source, body(), auth === null ? headers : { ...headers, 'x-jfrog-event-auth': auth }, query);

  test.each([
    ['plain', 'the secret', SECRET],
    ['plain', 'the previous secret', PREVIOUS],
    ['signing', 'a signature', signature],
    ['signing', 'a signature with the previous secret', hmac('sha256', body(), PREVIOUS)],
  ])('of a source that is %s is %s', async (source, _, auth) => {
    expect(understood(await sent(source, auth))).toEqual(api);
  });

  test.each<[string, string, string | null]>([
    ['plain', 'nothing', null],
    ['plain', 'an empty header', ''],
    ['plain', 'another secret', WRONG],
    ['plain', 'a part of the secret', SECRET.slice(0, -1)],
    ['plain', 'a signature, which is another mode', signature],
    ['signing', 'nothing', null],
    ['signing', 'the secret, which is another mode', SECRET],
    ['signing', 'a signature with another secret', hmac('sha256', body(), WRONG)],
    ['signing', 'a signature over other bytes', hmac('sha256', { ...body(), more: 1 })],
    ['signing', 'half a signature', signature.slice(0, 32)],
    ['signing', 'a prefix before the signature', `sha256=${signature}`],
    ['signing', 'a SHA-1 signature', hmac('sha1', body())],
  ])('of a source that is %s is not %s', async (source, _, auth) => {
    await expectRefused(rig, await sent(source, auth));
  });

  test.each(['plain', 'signing'])('of a source that is %s is in no other place', async (source) => {
    await expectRefused(rig, await sent(source, null, { ...json, ...bearer() }, `?secret=${SECRET}`));
  });
});

test('a repetition is known by its body, for a minute; then a tag that moved away and back is a new push', async () => {
  await addPolicy(rig.database.pool, 'acme.jfrog.io/docker-local/team/api:*');
  const other = body({ sha256: 'b'.repeat(64) });
  const outcomes = [];
  for (const what of [body(), body(), other, body()]) outcomes.push((await deliver(what)).json.outcome);
  expect(outcomes).toEqual(['started', 'duplicate', 'superseding', 'duplicate']);
  const later = "update webhook_deliveries set last_received_at = now() - interval '61 seconds'";
  await rig.database.pool.query(later);
  expect((await deliver(body())).json.outcome).toBe('superseding');
  await rig.database.pool.query('truncate image_update_policies cascade');
});
