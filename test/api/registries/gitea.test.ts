import { randomUUID } from 'node:crypto';
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

let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await rig.source('gitea', { kind: 'gitea', secrets: [SECRET, PREVIOUS] });
  await rig.source('inside', { kind: 'gitea', secrets: [SECRET], registry_host: 'git.inside.io:3000' });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

const ID = '5c4a8d2e-0000-4000-8000-000000000001';
const body = (pushed: object = {}, fields: object = {}): object => ({
  ...{ action: 'created', repository: null, organization: { login: 'Acme' }, sender: { login: 'ci-bot' } },
  package: {
    ...{ id: 311, owner: { id: 2, login: 'Acme' }, repository: null, creator: { login: 'ci-bot' } },
    ...{ type: 'container', name: 'api', version: '1.4.2', created_at: '2026-01-01T00:00:00Z' },
    ...{ html_url: 'https://git.example.com/Acme/-/packages/container/api/1.4.2', ...pushed },
  },
  ...fields,
});
/** Everything that Gitea sends, with the words of the other senders it imitates. */
function headersOf(what: string | Buffer | object, id = ID): Headers {
  const names = ['Gitea', 'Gogs'].flatMap((word): [string, string][] => [
    [`X-${word}-Delivery`, id],
    [`X-${word}-Event`, 'package'],
    [`X-${word}-Event-Type`, 'package'],
    [`X-${word}-Signature`, hmac('sha256', what)],
  ]);
  return {
    ...json,
    ...Object.fromEntries(names),
    ...{ 'X-Hub-Signature': `sha1=${hmac('sha1', what)}`, 'X-Hub-Signature-256': `sha256=${hmac('sha256', what)}` },
    ...{ 'X-GitHub-Delivery': id, 'X-GitHub-Event': 'package', 'X-GitHub-Event-Type': 'package' },
  };
}
const deliver = (what: string | Buffer | object, source = 'gitea') => rig.deliver(source, what, headersOf(what));
const pushed = { registry: 'git.example.com', repository: 'acme/api', tag: '1.4.2', event_id: ID };
const api = pushOf(pushed);

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['as Gitea sends it', body(), api],
  [
    'of a registry at a port, under a path',
    body({ html_url: 'http://git.lan:3000/gitea/Acme/-/packages/container/api/1.4.2' }),
    pushOf({ ...pushed, registry: 'git.lan:3000' }),
  ],
  ['with the port that https has anyway', body({ html_url: 'https://git.example.com:443/Acme' }), api],
  ['with a password before its host', body({ html_url: 'https://evil.io:x@git.example.com/Acme' }), api],
  ['of a deeper name', body({ name: 'team/api' }), pushOf({ ...pushed, repository: 'acme/team/api' })],
  ['of a package of a repository', body({ repository: { name: 'api' } }, { repository: { name: 'api' } }), api],
  ['without a time', body({ created_at: null }), api],
  ['at a time that is none', body({ created_at: 7 }), api],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test("Forgejo's own headers are enough", async () => {
  const what = body();
  const headers = {
    'X-Forgejo-Delivery': ID,
    'X-Forgejo-Event': 'package',
    'X-Forgejo-Signature': hmac('sha256', what),
  };
  expect(understood(await rig.deliver('gitea', what, { ...json, ...headers }))).toEqual(api);
});

test('a form is signed as the JSON in it, or as it came', async () => {
  const payload = bytes(body({ name: 'ä & b'.replace(/[^b]/g, 'a') })) as string;
  const form = new URLSearchParams({ payload }).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const signed of [payload, form]) {
    const reply = await rig.deliver('gitea', form, { ...headersOf(signed, randomUUID()), ...type });
    expect([reply.status, reply.json.results[0].repository]).toEqual([202, 'acme/aaaab']);
  }
  await forgetDeliveries(rig);
  await expectRefused(rig, await rig.deliver('gitea', form, { ...headersOf(`${payload} `), ...type }));
  expectUnreadable(await rig.deliver('gitea', 'load=1', { ...headersOf('load=1'), ...type }), 'payload');
  expectUnreadable(await rig.deliver('gitea', 'payload={', { ...headersOf('{'), ...type }), 'payload');
});

test("the operator's host goes before the event's", async () => {
  const reply = await deliver(body({ html_url: 'https://evil.io/x' }), 'inside');
  expect(understood(reply).results).toEqual([{ ...api.results[0], registry: 'git.inside.io:3000' }]);
});

test('a delivery that is sent again keeps its id; the same tag pushed again has another', async () => {
  for (const id of [ID, ID, randomUUID()]) await rig.deliver('gitea', body(), headersOf(body(), id));
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries order by 1');
  expect(rows).toEqual([{ times_received: 1 }, { times_received: 2 }]);
});

test('without an id the body is known again', async () => {
  const what = body();
  const headers = { ...json, 'X-Gitea-Event': 'package', 'X-Gitea-Signature': hmac('sha256', what) };
  for (let time = 1; time <= 2; time += 1) {
    const { results } = understood(await rig.deliver('gitea', what, headers));
    expect(results).toEqual([{ ...api.results[0], event_id: null }]);
  }
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
});

test.each<[string, object, Headers, string]>([
  ['a deleted package', body({}, { action: 'deleted' }), {}, 'package deleted'],
  ['a deletion that names none', { action: 'deleted' }, {}, 'package deleted'],
  ['a package of npm', body({ type: 'npm', name: '@acme/api' }), {}, 'package of type npm'],
  ['a version that is empty', body({ version: '' }), {}, 'untagged manifest'],
  ['the test button', { ref: 'refs/heads/main', commits: [] }, { 'X-Gitea-Event': 'push' }, '1 push'],
  ['a push in words of GitHub', body(), { 'X-Gitea-Event': 'create', 'X-GitHub-Event': 'package' }, '1 create'],
])('nothing is pushed by %s', async (_, what, headers, reason) => {
  await expectNothingPushed(rig, await rig.deliver('gitea', what, { ...headersOf(what), ...headers }), reason);
});

test.each<[string, object, string]>([
  ['a platform of a multi-arch image', body({ version: digestOf('a') }), 'by its digest'],
  ["a signature's tag", body({ version: `sha256-${'a'.repeat(64)}.sig` }), 'signature'],
  ['a tag that is none', body({ version: '.1' }), 'the tag is none'],
  ['a name in capitals', body({ name: 'Api' }), 'lower case'],
  ['no page', body({ html_url: null }), 'package.html_url'],
  ['a page that is none', body({ html_url: 'https://[git' }), 'package.html_url'],
  ['a page of another scheme', body({ html_url: 'file://git.example.com/x' }), 'package.html_url'],
  ['a host that is a namespace on Docker Hub', body({ html_url: 'http://gitea/Acme' }), 'registry_host'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no action', body({}, { action: undefined }), 'action'],
  ['no package', body({}, { package: null }), 'package'],
  ['a package that is text', body({}, { package: 'api' }), 'package'],
  ['a type that is a number', body({ type: 1 }), 'package.type'],
  ['no owner', body({ owner: null }), 'package.owner'],
  ['an owner without a login', body({ owner: {} }), 'package.owner.login'],
  ['a name that is a list', body({ name: ['api'] }), 'package.name'],
  ['a version that is a number', body({ version: 2 }), 'package.version'],
])('422 that names the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a signed body that is no event: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

test('422 for a delivery that does not say its event', async () => {
  const headers = { ...json, 'X-Gitea-Signature': hmac('sha256', body()), 'X-GitHub-Event': 'package' };
  expectUnreadable(await rig.deliver('gitea', body(), headers), 'X-Gitea-Event');
});

const signature = (name: string, value: string): Headers => ({ [name]: value });
test.each<[string, Headers, number]>([
  ['X-Gitea-Signature alone', signature('X-Gitea-Signature', hmac('sha256', body())), 202],
  ['X-Hub-Signature-256 alone', signature('X-Hub-Signature-256', `sha256=${hmac('sha256', body())}`), 202],
  ['in capitals', signature('X-Gitea-Signature', hmac('sha256', body()).toUpperCase()), 202],
  ['with the previous secret', signature('X-Gitea-Signature', hmac('sha256', body(), PREVIOUS)), 202],
  ['with another secret', signature('X-Gitea-Signature', hmac('sha256', body(), WRONG)), 401],
  ['over another body', signature('X-Gitea-Signature', hmac('sha256', body({ version: '2' }))), 401],
  ['by SHA-1', signature('X-Hub-Signature', `sha1=${hmac('sha1', body())}`), 401],
  ['by SHA-1 under the other name', signature('X-Gitea-Signature', hmac('sha1', body())), 401],
  ['with a prefix it does not have', signature('X-Gitea-Signature', `sha256=${hmac('sha256', body())}`), 401],
  ['empty, as without a secret', signature('X-Gitea-Signature', ''), 401],
  ['cut off', signature('X-Gitea-Signature', hmac('sha256', body()).slice(0, 63)), 401],
  ['none', {}, 401],
  ['none, but the secret as a bearer', bearer(), 401],
])('a signature: %s', async (_, headers, status) => {
  const reply = await rig.deliver('gitea', body(), { ...json, 'X-Gitea-Event': 'package', ...headers });
  expect(reply.status).toBe(status);
  if (status === 401) await expectRefused(rig, reply);
});

test('405 for its method GET, with what is possible', async () => {
  const reply = await rig.call('GET', '/api/v1/webhooks/gitea?payload=%7B%7D');
  expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'POST']);
});
