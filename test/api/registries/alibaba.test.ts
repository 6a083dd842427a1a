import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
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

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('acr', { kind: 'alibaba', secrets: [SECRET, PREVIOUS] });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** `undefined` leaves a field out. */
function body(pushed: object = {}, repository: object = {}): object {
  return {
    push_data: { digest: digestOf('a'), pushed_at: '2026-01-01 00:00:00', tag: '1.4.2', ...pushed },
    repository: {
      ...{ date_created: '2025-10-28 21:31:42', name: 'api', namespace: 'team', region: 'cn-hangzhou' },
      ...{ repo_authentication_type: 'NO_CERTIFIED', repo_full_name: 'team/api' },
      ...{ repo_origin_type: 'NO_CERTIFIED', repo_type: 'PRIVATE', ...repository },
    },
  };
}
const push = {
  ...{ registry: 'registry.cn-hangzhou.aliyuncs.com', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') },
};
const deliver = (raw: string | Buffer | object, query = `?secret=${SECRET}`, headers: Headers = json) =>
  rig.deliver('acr', raw, headers, query);

test.each<[string, object, object]>([
  ['as it is documented', body(), {}],
  ['without its full name', body({}, { repo_full_name: undefined }), {}],
  ['without a digest', body({ digest: undefined }), { digest: null }],
  ['without a time', body({ pushed_at: undefined }), {}],
  ['with a time that is a number', body({ pushed_at: 1767225600 }), {}],
  [
    'of a region with digits',
    body({}, { region: 'ap-southeast-1' }),
    { registry: 'registry.ap-southeast-1.aliyuncs.com' },
  ],
])('a push %s', async (_, raw, expected) => {
  expect(understood(await deliver(raw))).toEqual(pushOf({ ...push, ...expected }));
});

test('keys that reach for prototypes change nothing, and neither does the absence of a content type', async () => {
  const reply = await deliver(withPrototypeKeys(body()), undefined, { 'content-type': '' });
  expect(understood(reply)).toEqual(pushOf(push));
});

test.each<[string, object]>([
  ['instance', { registry_host: 'acme-registry.cn-hangzhou.cr.aliyuncs.com' }],
  ['namespace', { repositories: { team: 'acme-registry.cn-hangzhou.cr.aliyuncs.com' } }],
])('an enterprise instance is named by the operator: by %s', async (_, place) => {
  await rig.source('enterprise', { kind: 'alibaba', secrets: [SECRET], ...place });
  const reply = await rig.deliver('enterprise', body({}, { region: undefined }), json, `?secret=${SECRET}`);
  expect(understood(reply)).toEqual(pushOf({ ...push, registry: 'acme-registry.cn-hangzhou.cr.aliyuncs.com' }));
});

test('the same body is a repetition, the next second is a push, and an earlier one comes too late', async () => {
  await addPolicy(rig.database.pool, `${push.registry}/team/api:*`);
  const outcomeOf = async (pushed: object) => (await deliver(body(pushed))).json.outcome as string;
  expect([await outcomeOf({}), await outcomeOf({})]).toEqual(['started', 'duplicate']);
  const next = { pushed_at: '2026-01-01 00:00:01' };
  expect(await outcomeOf({ ...next, digest: digestOf('b') })).toBe('superseding');
  expect(await outcomeOf({ pushed_at: '2025-12-31 23:59:59', digest: digestOf('c') })).toBe('ignored');
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(3);
  // Without digests the time alone tells two pushes apart.
  const undigested = { digest: undefined, tag: '2' };
  expect(await outcomeOf({ ...undigested })).toBe('started');
  expect(await outcomeOf({ ...undigested, ...next })).toBe('superseding');
  await rig.database.pool.query('delete from image_update_policies');
});

test('an empty tag is no push', async () => {
  await expectNothingPushed(rig, await deliver(body({ tag: '' })), 'untagged');
});

test.each<[string, object, string]>([
  ['a region that names a host', body({}, { region: 'evil.example.com/x' }), 'repository.region'],
  ['a region with a port', body({}, { region: 'cn-hangzhou:5000' }), 'repository.region'],
  ['no region', body({}, { region: undefined }), 'repository.region'],
  ['a name in capitals, as in the documentation', body({}, { repo_full_name: 'namespace/repoTest' }), 'lower case'],
  ['a name that leads elsewhere', body({}, { repo_full_name: '//evil.example.com/api' }), 'not an image name'],
  ['a tag that is a digest', body({ tag: digestOf('b') }), 'under no tag'],
  ['a digest that is none', body({ digest: 'sha256:457f' }), 'digest is none'],
])('%s is recorded, and never rolled out', async (_, raw, reason) => {
  expectUnusable(await deliver(raw), reason);
});

test.each<[string, object, string]>([
  ['no push', { repository: {} }, 'push_data'],
  ['no repository', { push_data: { tag: '1' } }, 'repository'],
  ['no tag', body({ tag: undefined }), 'push_data.tag'],
  ['a tag that is a list', body({ tag: ['1'] }), 'push_data.tag'],
  ['a digest that is a number', body({ digest: 7 }), 'push_data.digest'],
  ['no name', body({}, { repo_full_name: '', name: '' }), 'repository.repo_full_name'],
  ['a list of bodies', [body()], ''],
])('422 naming the field: %s', async (_, raw, path) => {
  expectUnreadable(await deliver(raw), path);
});

test.each(brokenBodies)('%s is refused', async (_, raw) => {
  expect((await deliver(raw)).status).toBe(422);
});

test('is let in by either secret, in the URL or as a bearer token', async () => {
  for (const secret of [SECRET, PREVIOUS]) {
    expect((await deliver(body(), `?secret=${secret}`)).status).toBe(202);
    expect((await deliver(body(), '', { ...json, ...bearer(secret) })).status).toBe(202);
  }
});

test.each<[string, string, Headers]>([
  ['nothing', '', {}],
  ['another secret', `?secret=${WRONG}`, {}],
  ['the secret under another name', `?token=${SECRET}`, {}],
  ['a signature of another sender', '', { 'x-hub-signature-256': `sha256=${'a'.repeat(64)}` }],
])('401 without a hint: %s', async (_, query, headers) => {
  await expectRefused(rig, await deliver(body(), query, { ...json, ...headers }));
});
