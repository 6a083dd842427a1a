import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy, digestOf } from '../../support/intake';
import {
  bearer,
  brokenBodies,
  bytes,
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
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const COMPONENT = 'rm:repository:component';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  const nexus = { kind: 'nexus', secrets: [SECRET, PREVIOUS] };
  await rig.source('ports', {
    ...nexus,
    repositories: { 'docker-hosted': 'nexus.acme.io:8082', paths: 'nexus.acme.io/paths' },
  });
  await rig.source('one-host', { ...nexus, registry_host: 'docker.acme.io' });
  await rig.source('nowhere', nexus);
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

function body(fields: object = {}, component: object = {}): object {
  return {
    ...{ timestamp: '2026-01-01T00:00:00.123+00:00', nodeId: '7A1B', initiator: 'ci-bot/192.0.2.14' },
    ...{ repositoryName: 'docker-hosted', action: 'CREATED' },
    component: { id: '0890', componentId: 'ZG9j', format: 'docker', name: 'team/api', version: '1.4.2', ...component },
    ...fields,
  };
}
const ID = '5bd1a3c0-4f4e-4b4a-9c47-1b1f0a0f2c11';
const headersOf = (event = COMPONENT, id = ID): Headers => ({
  ...{ 'content-type': 'application/json; charset=UTF-8' },
  ...{ 'x-nexus-webhook-id': event, 'x-nexus-webhook-delivery': id },
});
const deliver = (what: string | Buffer | object, source = 'ports', event = COMPONENT, id = ID) =>
  rig.deliver(source, what, { ...headersOf(event, id), 'x-nexus-webhook-signature': hmac('sha1', what) });
const push = { registry: 'nexus.acme.io:8082', repository: 'team/api', tag: '1.4.2', event_id: ID };
const api = pushOf(push);

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of a new tag', body(), api],
  ['of a tag that was there', body({ action: 'UPDATED' }), api],
  ['with a group that is null', body({}, { group: null }), api],
  ['with a time that is none', body({ timestamp: 1_767_225_600 }), api],
  [
    'of a repository with a path',
    body({ repositoryName: 'paths' }),
    pushOf({ ...push, registry: 'nexus.acme.io', repository: 'paths/team/api' }),
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test('one host is enough where all repositories are behind it', async () => {
  expect(understood(await deliver(body(), 'one-host'))).toEqual(pushOf({ ...push, registry: 'docker.acme.io' }));
});

test.each<[string, unknown, string, string]>([
  ['a deletion', body({ action: 'DELETED' }), COMPONENT, '1 component DELETED'],
  [
    'a clean-up, which has no component',
    { ...body({ action: 'PURGED' }), component: undefined, components: ['0890'] },
    COMPONENT,
    'PURGED',
  ],
  ['another format', body({}, { format: 'maven2', name: 7 }), COMPONENT, '1 component of format maven2'],
  [
    'an asset',
    {
      ...body(),
      component: undefined,
      asset: { id: '1', assetId: '2', format: 'docker', name: 'v2/team/api/manifests/1.4.2' },
    },
    'rm:repository:asset',
    '1 rm:repository:asset',
  ],
  ['an audit', { nodeId: '7A1B', audit: {} }, 'rm:global:audit', '1 rm:global:audit'],
  ['a component without a version', body({}, { version: undefined }), COMPONENT, 'untagged manifest'],
  ['a component of an empty version', body({}, { version: '' }), COMPONENT, 'untagged manifest'],
])('nothing is pushed by %s', async (_, what, event, reason) => {
  await expectNothingPushed(rig, await deliver(what as object, 'ports', event), reason);
});

test.each<[string, string, object, string]>([
  ['a repository that nobody gave a place', 'nowhere', body(), 'registry_host'],
  ['a repository beside the map', 'ports', body({ repositoryName: 'other' }), 'registry_host'],
  ['a repository named as a prototype is', 'ports', body({ repositoryName: '__proto__' }), 'registry_host'],
  ['a manifest by its digest', 'ports', body({}, { version: digestOf('a') }), 'by its digest'],
  ["a signature's tag", 'ports', body({}, { version: `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a name in capitals', 'ports', body({}, { name: 'Team/api' }), 'lower case'],
  ['a name with a digest in it', 'ports', body({}, { name: `api@${digestOf('a')}` }), 'without tag and digest'],
])('never rolled out: %s', async (_, source, what, reason) => {
  expectUnusable(await deliver(what, source), reason);
});

test.each<[string, object, string]>([
  ['no action', body({ action: undefined }), 'action'],
  ['an action that is a number', body({ action: 1 }), 'action'],
  ['no component', body({ component: undefined }), 'component'],
  ['a list of components', body({ component: [] }), 'component'],
  ['no format', body({}, { format: undefined }), 'component.format'],
  ['no repository', body({ repositoryName: undefined }), 'repositoryName'],
  ['no name', body({}, { name: undefined }), 'component.name'],
  ['a version that is a number', body({}, { version: 1.4 }), 'component.version'],
])('422 naming the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is %s', async (_, raw) => {
  expectUnreadable(await deliver(raw), '');
});

describe('the proof', () => {
  const sha1 = hmac('sha1', body());
  const sha256 = hmac('sha256', body());
  test.each([
    ['a signature', sha1],
    ['a signature with the previous secret', hmac('sha1', body(), PREVIOUS)],
    ['a SHA-256 signature, which no release is known to send', sha256],
  ])('is %s', async (_, signature) => {
    const reply = await rig.deliver('ports', body(), { ...headersOf(), 'x-nexus-webhook-signature': signature });
    expect(understood(reply)).toEqual(api);
  });

  test.each<[string, Headers, string?]>([
    ['nothing', {}],
    ['an empty signature', { 'x-nexus-webhook-signature': '' }],
    ['a signature with another secret', { 'x-nexus-webhook-signature': hmac('sha1', body(), WRONG) }],
    // As in the sender's own sample code, which parses and prints the body before it signs.
    [
      'a signature over the body printed anew',
      { 'x-nexus-webhook-signature': hmac('sha1', JSON.stringify(body(), null, 2)) },
    ],
    ['a signature cut to the length of the other', { 'x-nexus-webhook-signature': sha256.slice(0, 40) }],
    ['a prefix before the signature', { 'x-nexus-webhook-signature': `sha1=${sha1}` }],
    ['the secret itself', { 'x-nexus-webhook-signature': SECRET }],
    ['the secret in other places', bearer(), `?secret=${SECRET}`],
  ])('is not %s', async (_, headers, query = '') => {
    await expectRefused(rig, await rig.deliver('ports', body(), { ...headersOf(), ...headers }, query));
  });
});

test('a delivery sent again by hand is the same event; one without an id is known by its body', async () => {
  for (let times = 0; times < 2; times += 1) await deliver(body());
  const signature = { 'x-nexus-webhook-signature': hmac('sha1', body()) };
  for (const headers of [json, { ...json, 'x-nexus-webhook-delivery': '' }]) {
    const reply = await rig.deliver('ports', bytes(body()), { ...headers, ...signature });
    expect(understood(reply)).toEqual(pushOf({ ...push, event_id: null }));
  }
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries');
  expect(rows.map((row) => row.times_received)).toEqual([2, 2]);
});

test('its threads deliver out of order: an older push of a tag does not undo a newer one', async () => {
  await addPolicy(rig.database.pool, 'nexus.acme.io:8082/team/api:*');
  const at = (timestamp: string) => deliver(body({ timestamp }), 'ports', COMPONENT, randomUUID());
  const outcomes = [];
  for (const time of ['2026-01-02T00:00:00.000+00:00', '2026-01-01T23:59:59.000+0000', '2026-01-02T01:00:01.000+01:00'])
    outcomes.push((await at(time)).json.outcome);
  expect(outcomes).toEqual(['started', 'ignored', 'superseding']);
  await rig.database.pool.query('truncate image_update_policies cascade');
});
