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
  await rig.source('hub', { kind: 'dockerhub', secrets: [SECRET, PREVIOUS] });
  await rig.source('mirror', { kind: 'dockerhub', secrets: [SECRET], registry_host: 'mirror.acme.io:5000' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

/** As Docker Hub sends it, with everything that is of no use here. */
function body(repository: object = {}, pushed: object = {}): object {
  return {
    push_data: { pushed_at: 1767225600, images: [], tag: '1.4.2', pusher: 'ci-bot', ...pushed },
    callback_url: 'https://registry.hub.docker.com/u/acme/api/hook/0aa1bb2c/',
    repository: {
      ...{ repo_name: 'acme/api', namespace: 'acme', name: 'api', owner: 'acme', is_private: true },
      ...{ status: 'Active', date_created: 1_760_000_000, star_count: 0, full_description: '# api\n' },
      ...repository,
    },
  };
}
const deliver = (what: string | Buffer | object, source = 'hub') =>
  rig.deliver(source, what, json, `?secret=${SECRET}`);
const api = pushOf({ registry: 'docker.io', repository: 'acme/api', tag: '1.4.2' });

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['as it is today', body(), api],
  ['of an official image', body({ repo_name: 'redis' }), pushOf({ ...api.results[0], repository: 'library/redis' })],
  ['without repo_name', body({ repo_name: undefined }), api],
  ['with an empty repo_name', body({ repo_name: '' }), api],
  ['with null for repo_name', body({ repo_name: null }), api],
  ['with an older, fractional time', body({}, { pushed_at: 1.417566161e9 + 0.5 }), api],
  ['without a time', body({}, { pushed_at: undefined }), api],
  ['with a time that is none', body({}, { pushed_at: 'yesterday' }), api],
  ['with a time in milliseconds', body({}, { pushed_at: 1_767_225_600_000 }), api],
  ['with a negative time', body({}, { pushed_at: -1 }), api],
  [
    "of an image index, by Docker Hub's media type",
    body({}, { media_type: 'application/vnd.oci.image.index.v1+json' }),
    api,
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
  ['that names docker.io itself', body({ repo_name: 'docker.io/acme/api' }), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test('the operator says through which mirror it is pulled', async () => {
  const here = { registry: 'mirror.acme.io:5000', tag: '1.4.2' };
  expect(understood(await deliver(body(), 'mirror'))).toEqual(pushOf({ ...here, repository: 'acme/api' }));
  const official = await deliver(body({ repo_name: 'redis' }), 'mirror');
  expect(understood(official)).toEqual(pushOf({ ...here, repository: 'library/redis' }));
});

test.each<[string, object, string]>([
  ['an empty tag', body({}, { tag: '' }), '1 push without a tag'],
  ['a Helm chart', body({}, { media_type: 'application/vnd.cncf.helm.config.v1+json' }), '1 push of a Helm chart'],
])('nothing is pushed by %s', async (_, what, reason) => {
  await expectNothingPushed(rig, await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['a tag that is a digest', body({}, { tag: digestOf('a') }), 'by its digest'],
  ["a signature's tag", body({}, { tag: `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a tag that is none', body({}, { tag: '-rm' }), 'the tag is none'],
  ['a tag of 129 characters', body({}, { tag: 'x'.repeat(129) }), 'the tag is none'],
  ['a name in capitals', body({ repo_name: 'acme/Api' }), 'lower case'],
  ['a name with a tag in it', body({ repo_name: 'acme/api:1' }), 'without tag'],
  ['a name that is an identifier', body({ repo_name: 'a'.repeat(64) }), 'identifier'],
  ["another registry's image", body({ repo_name: 'registry.evil.io/acme/api' }), 'docker.io only'],
  ['an image on this machine', body({ repo_name: 'localhost:5000/acme/api' }), 'docker.io only'],
])('never rolled out: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no push_data', { repository: { repo_name: 'acme/api' } }, 'push_data'],
  ['push_data that is a list', { ...body(), push_data: [] }, 'push_data'],
  ['a tag that is a number', body({}, { tag: 7 }), 'push_data.tag'],
  ['no tag', body({}, { tag: undefined }), 'push_data.tag'],
  ['no repository', { push_data: { tag: '1' } }, 'repository'],
  ['a name that is a list', body({ repo_name: ['acme/api'] }), 'repository.repo_name'],
  ['no name at all', { push_data: { tag: '1' }, repository: { namespace: 'acme' } }, 'repository.repo_name'],
])('422 naming the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is %s', async (_, raw) => {
  expectUnreadable(await deliver(raw), '');
});

describe('the proof', () => {
  test.each<[string, Record<string, string>, string]>([
    ['the current secret in the URL', json, `?secret=${SECRET}`],
    ['the previous secret in the URL', json, `?secret=${PREVIOUS}`],
    ['the secret as a bearer token', { ...json, ...bearer(PREVIOUS) }, ''],
  ])('is %s', async (_, headers, query) => {
    expect(understood(await rig.deliver('hub', body(), headers, query))).toEqual(api);
  });

  test.each<[string, Record<string, string>, string]>([
    ['nothing', json, ''],
    ['another secret', json, `?secret=${WRONG}`],
    ['a part of the secret', json, `?secret=${SECRET.slice(0, -1)}`],
    ['an empty secret', json, '?secret='],
    ['the secret twice', json, `?secret=${SECRET}&secret=${SECRET}`],
    ['the secret under another name', json, `?token=${SECRET}`],
    ['basic authentication', { ...json, authorization: `Basic ${btoa(`x:${SECRET}`)}` }, ''],
  ])('is not %s', async (_, headers, query) => {
    await expectRefused(rig, await rig.deliver('hub', body(), headers, query));
  });

  test('comes before the body is looked at', async () => {
    await expectRefused(rig, await rig.deliver('hub', '{', json));
  });
});

test('six calls for one multi-arch push are one delivery, a push a second later is another', async () => {
  await addPolicy(rig.database.pool, 'acme/api:*');
  const answers = [];
  for (let call = 0; call < 6; call += 1) answers.push((await deliver(body())).json.outcome);
  expect(answers).toEqual(['started', ...Array<string>(5).fill('duplicate')]);
  // The same push, described anew: its time tells that it is the same.
  expect((await deliver(body({ star_count: 1 }))).json.outcome).toBe('duplicate');
  expect((await deliver(body({}, { pushed_at: 1767225601 }))).json.outcome).toBe('superseding');
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by received_at');
  expect(rows.map((row) => row.times_received)).toEqual([6, 1, 1]);
  await rig.database.pool.query('truncate image_update_policies cascade');
});

test('its description may be long, but not without end', async () => {
  const long = body({ full_description: 'x'.repeat(900_000) });
  expect(understood(await deliver(long))).toEqual(api);
  expect((await deliver(body({ full_description: 'x'.repeat(1024 * 1024) }))).status).toBe(413);
});

test.each(['application/json; charset=utf-8', 'application/vnd.docker.hub+json'])('%s is read', async (type) => {
  const reply = await rig.deliver('hub', bytes(body()), { 'content-type': type }, `?secret=${SECRET}`);
  expect(understood(reply)).toEqual(api);
});

test.each(['text/plain', 'application/x-www-form-urlencoded'])('415 for %s', async (type) => {
  expect((await rig.deliver('hub', bytes(body()), { 'content-type': type }, `?secret=${SECRET}`)).status).toBe(415);
});
