import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
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

const ID = '72d3162e-cc78-11e3-81ab-4c9367dc0958';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const INDEX = 'application/vnd.oci.image.index.v1+json';
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('gh', { kind: 'github', secrets: [SECRET, PREVIOUS] });
  await rig.source('ghes', { kind: 'github', secrets: [SECRET], registry_host: 'containers.git.acme.io' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

interface Fields {
  package?: object;
  version?: object;
  tag?: unknown;
  manifest?: unknown;
}

/** What is under `package`, or `registry_package`. */
function container({ package: fields, version, tag, manifest }: Fields = {}): object {
  return {
    ...{
      id: 10_696,
      name: 'api',
      namespace: 'Acme',
      description: null,
      ecosystem: 'CONTAINER',
      package_type: 'CONTAINER',
    },
    owner: { login: 'Acme', id: 1, type: 'Organization' },
    package_version: {
      ...{
        id: 730_000_001,
        version: digestOf('a'),
        name: digestOf('a'),
        created_at: '0001-01-01T00:00:00Z',
        metadata: [],
      },
      container_metadata: {
        tag: tag === undefined ? { name: '1.4.2', digest: digestOf('a') } : tag,
        labels: { all_labels: { 'github.internal.platforms': '[{"os":"linux"}]' } },
        manifest:
          manifest === undefined
            ? { digest: digestOf('a'), media_type: INDEX, config: { digest: '', media_type: '', size: 0 } }
            : manifest,
      },
      package_url: 'ghcr.io/Acme/api:1.4.2',
      ...version,
    },
    registry: { type: 'CONTAINER', url: 'https://CONTAINER.pkg.github.com/Acme' },
    ...fields,
  };
}

function body(fields: Fields = {}, event = 'package', action: unknown = 'published'): object {
  return { action, [event]: container(fields), organization: { login: 'Acme' }, sender: { login: 'ci-bot' } };
}
const headersOf = (event = 'package', id = ID): Headers => ({
  ...{ 'user-agent': 'GitHub-Hookshot/044aadd', 'x-github-hook-id': '292430182', 'x-hub-signature': 'sha1=00' },
  ...{ 'x-github-event': event, 'x-github-delivery': id },
});
const deliver = (what: string | Buffer | object, event = 'package', source = 'gh', id = ID) =>
  rig.deliver(source, what, {
    ...json,
    ...headersOf(event, id),
    'x-hub-signature-256': `sha256=${hmac('sha256', what)}`,
  });
const push = { registry: 'ghcr.io', repository: 'acme/api', tag: '1.4.2', digest: digestOf('a'), event_id: ID };
const api = pushOf(push);

test.each<[string, string | object, ReturnType<typeof pushOf>, string?]>([
  ['by the event package', body(), api],
  ['by the event registry_package', body({}, 'registry_package'), api, 'registry_package'],
  ["under the other event's name", body({}, 'registry_package'), api, 'package'],
  ['that updates', body({}, 'package', 'updated'), api],
  [
    'of a nested name',
    body({ package: { name: 'Team/Edge/Api' } }),
    pushOf({ ...push, repository: 'acme/team/edge/api' }),
  ],
  ['of the type in lower case', body({ package: { package_type: 'container' } }), api],
  ['whose type is its ecosystem', body({ package: { package_type: undefined } }), api],
  ["by the namespace, as in GitHub's example", body({ package: { owner: null, namespace: 'Acme/some-repo' } }), api],
  ['whose namespace is another', body({ package: { namespace: 'Other/some-repo' } }), api],
  ["with the manifest's digest", body({ tag: { name: '1.4.2' } }), api],
  ["with the version's digest", body({ tag: { name: '1.4.2', digest: '' }, manifest: null }), api],
  ['with a digest of another length first', body({ tag: { name: '1.4.2', digest: 'sha256:6c62' } }), api],
  [
    'without a digest',
    body({ tag: { name: '1.4.2' }, manifest: {}, version: { version: '1.4.2' } }),
    pushOf({ ...push, digest: null }),
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
  ['with a git repository beside it', { ...body(), repository: { full_name: 'Acme/some-repo' } }, api],
  ['whose address has no tag', body({ version: { package_url: 'ghcr.io/Acme/api:' } }), api],
])('a push %s', async (_, what, expected, event = 'package') => {
  expect(understood(await deliver(what, event))).toEqual(expected);
});

test("a GitHub Enterprise Server's images are where the operator says", async () => {
  const reply = await deliver(body(), 'package', 'ghes');
  expect(understood(reply)).toEqual(pushOf({ ...push, registry: 'containers.git.acme.io' }));
});

test.each<[string, unknown, string, string]>([
  ['a ping', { zen: 'Design for failure.', hook_id: 1 }, 'ping', '1 ping'],
  ['an event of another name', body(), 'package_v2', '1 package_v2'],
  ['a git push', { ref: 'refs/heads/main' }, 'push', '1 push'],
  ['a deletion', { action: 'deleted', package: 7 }, 'package', '1 package deleted'],
  [
    'an npm package',
    body({ package: { package_type: 'npm', ecosystem: 'docker', package_version: [] } }),
    'package',
    'type npm',
  ],
  ['the registry before this one', body({ package: { package_type: 'docker' } }), 'package', 'type docker'],
  ['a package of no type', body({ package: { package_type: null, ecosystem: '' } }), 'package', 'of type'],
  ['a manifest with an empty tag', body({ tag: { name: '', digest: digestOf('a') } }), 'package', 'untagged manifest'],
  ['a manifest without a tag', body({ tag: null }), 'package', 'untagged manifest'],
  ['a version without metadata', body({ version: { container_metadata: null } }), 'package', 'untagged manifest'],
  [
    'a Helm chart',
    body({ manifest: { digest: digestOf('a'), config: { media_type: 'application/vnd.cncf.helm.config.v1+json' } } }),
    'package',
    '1 push of a Helm chart',
  ],
])('nothing is pushed by %s', async (_, what, event, reason) => {
  await expectNothingPushed(rig, await deliver(what as object, event), reason);
});

test.each<[string, object, string]>([
  ['a tag that is a digest', body({ tag: { name: digestOf('b') } }), 'by its digest'],
  ["an attestation's tag", body({ tag: { name: `sha256-${'b'.repeat(64)}` } }), 'signature'],
  ['a name with a tag in it', body({ package: { name: 'api:1' } }), 'without tag'],
  ['a name that climbs', body({ package: { name: '../evil' } }), 'not an image name'],
  ['an owner that is another host', body({ package: { owner: { login: 'evil.io:5000' } } }), 'not an image name'],
])('never rolled out: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, unknown, string]>([
  ['no action', { package: container() }, 'action'],
  ['an action that is a number', body({}, 'package', 7), 'action'],
  ['no package', { action: 'published' }, 'package'],
  ['a package that is a text', { action: 'published', package: 'api' }, 'package'],
  ['no name', body({ package: { name: undefined } }), 'package.name'],
  ['no owner', body({ package: { owner: null, namespace: null } }), 'package.owner.login'],
  ['a login that is a number', body({ package: { owner: { login: 7 } } }), 'package.owner.login'],
  ['a tag that is a number', body({ tag: { name: 7 } }), 'package.package_version.container_metadata.tag.name'],
  ['a list of tags', body({ tag: ['1.4.2'] }), 'package.package_version.container_metadata.tag'],
])('422 naming the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what as object), path);
});

test.each(brokenBodies)('422 for a body that is %s', async (_, raw) => {
  expectUnreadable(await deliver(raw), '');
});

test('422 without the event', async () => {
  const headers = { ...json, 'x-hub-signature-256': `sha256=${hmac('sha256', body())}` };
  expectUnreadable(await rig.deliver('gh', body(), headers), 'X-GitHub-Event');
});

describe('as a form', () => {
  const formOf = (what: object) => new URLSearchParams({ payload: bytes(what) as string }).toString();
  const deliverForm = (form: string, event = 'package', signed = form) =>
    rig.deliver('gh', form, {
      ...FORM,
      ...headersOf(event),
      'x-hub-signature-256': `sha256=${hmac('sha256', signed)}`,
    });

  test.each(['package', 'registry_package'])('%s is read', async (event) => {
    expect(understood(await deliverForm(formOf(body({}, event)), event))).toEqual(api);
  });

  test('is signed as it came, not as what is in it', async () => {
    await expectRefused(rig, await deliverForm(formOf(body()), 'package', bytes(body()) as string));
  });

  test.each<[string, string, string]>([
    ['no payload', 'load=%7B%7D', 'payload'],
    ['an empty body', '', 'payload'],
    ['a payload cut off', formOf(body()).slice(0, 90), 'payload'],
    ['a payload that is a list', 'payload=%5B%5D', ''],
  ])('422 for %s', async (_, form, path) => {
    expectUnreadable(await deliverForm(form), path);
  });
});

describe('the proof', () => {
  const right = hmac('sha256', body());
  test.each([
    ['the current secret', `sha256=${right}`],
    ['the previous secret', `sha256=${hmac('sha256', body(), PREVIOUS)}`],
    ['digits in capitals', `sha256=${right.toUpperCase()}`],
  ])('is a signature with %s', async (_, signature) => {
    const reply = await rig.deliver('gh', body(), { ...json, ...headersOf(), 'x-hub-signature-256': signature });
    expect(understood(reply)).toEqual(api);
  });

  test.each<[string, Headers, string?]>([
    ['nothing', {}],
    ['a signature with another secret', { 'x-hub-signature-256': `sha256=${hmac('sha256', body(), WRONG)}` }],
    [
      'a signature over other bytes',
      { 'x-hub-signature-256': `sha256=${hmac('sha256', `${bytes(body()) as string} `)}` },
    ],
    ['a signature without its prefix', { 'x-hub-signature-256': right }],
    ['half a signature', { 'x-hub-signature-256': `sha256=${right.slice(0, 32)}` }],
    ['a right SHA-1 signature', { 'x-hub-signature': `sha1=${hmac('sha1', body())}` }],
    ["Gitea's signature", { 'x-gitea-signature': right }],
    ['the secret as a bearer token', bearer()],
    ['the secret in the URL', {}, `?secret=${SECRET}`],
  ])('is not %s', async (_, headers, query = '') => {
    await expectRefused(rig, await rig.deliver('gh', body(), { ...json, ...headersOf(), ...headers }, query));
  });
});

test('a redelivery keeps its id, and is the same event whatever its bytes are', async () => {
  for (let times = 0; times < 3; times += 1) expect(understood(await deliver(body()))).toEqual(api);
  await deliver({ ...body(), redelivered: true });
  await deliver(body(), 'package', 'gh', '72d3162e-cc78-11e3-81ab-4c9367dc0959');
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by received_at');
  expect(rows.map((row) => row.times_received)).toEqual([4, 1]);
});

test('without an id the body is what it is known by', async () => {
  const signature = { 'x-hub-signature-256': `sha256=${hmac('sha256', body())}` };
  for (const headers of [{ 'x-github-event': 'package' }, headersOf('package', '')])
    expect(understood(await rig.deliver('gh', body(), { ...json, ...headers, ...signature }))).toEqual(
      pushOf({ ...push, event_id: null }),
    );
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
});
