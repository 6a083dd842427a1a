import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { addPolicy, digestOf } from '../../support/intake';
import { outsidePages } from '../../support/outside-pages';
import {
  bearer,
  brokenBodies,
  bytes,
  expectRefused,
  expectUnreadable,
  expectUnusable,
  forgetDeliveries,
  json,
  PREVIOUS,
  pushOf,
  startRegistryRig,
  understood,
  withPrototypeKeys,
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const NOW = '2026-01-01T00:00:00Z';
const SECONDS = Date.parse(NOW) / 1000;
/** As the specification has it: 24 to 64 bytes, in base64 behind a prefix. */
const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const WHSEC = `whsec_${KEY.toString('base64')}`;
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig({ outside: outsidePages(NOW).outside });
  await rig.source('ci', { kind: 'generic', secrets: [WHSEC, PREVIOUS] });
  await rig.source('at-home', { kind: 'generic', secrets: [WHSEC], registry_host: 'registry.inside.io:5000' });
  await rig.source('open', { kind: 'generic', allow_unsigned: true });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

interface Signing {
  id?: string;
  timestamp?: string;
  key?: Buffer | string;
}
const signature = (raw: string | Buffer, { id = 'msg_1', timestamp = String(SECONDS), key = KEY }: Signing = {}) =>
  `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(raw).digest('base64')}`;
function signed(raw: string | Buffer, signing: Signing = {}): Headers {
  const { id = 'msg_1', timestamp = String(SECONDS) } = signing;
  const sent = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature(raw, signing) };
  return { ...json, ...sent };
}
const deliver = (what: string | Buffer | object, signing: Signing = {}, source = 'ci') =>
  rig.deliver(source, what, signed(bytes(what), signing));
const body = (fields: object = {}): object => ({
  ...{ registry: 'registry.acme.io:5000', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') },
  ...fields,
});
const known = { registry: 'registry.acme.io:5000', repository: 'team/api', tag: '1.4.2', digest: digestOf('a') };
const api = pushOf({ ...known, event_id: 'msg_1' });
const but = (fields: object) => pushOf({ ...api.results[0], ...fields });

test.each<[string, string | object, ReturnType<typeof pushOf>]>([
  ['of an image', body(), api],
  ['without a digest', body({ digest: undefined }), but({ digest: null })],
  [
    'of Docker Hub',
    body({ registry: 'docker.io', repository: 'redis' }),
    but({ registry: 'docker.io', repository: 'library/redis' }),
  ],
  ['with more than is read', body({ commit: 'f00', image: 'evil.io/api:1' }), api],
  [
    'in another order and with spaces',
    `{ "tag":"1.4.2",\n "digest": "${digestOf('a')}", "repository":"team\\/api", "registry":"registry.acme.io:5000" }`,
    api,
  ],
  ['with keys that reach for prototypes', withPrototypeKeys(body()), api],
])('a push %s', async (_, what, expected) => {
  expect(understood(await deliver(what))).toEqual(expected);
});

test("the operator's host is enough, and goes before the sender's", async () => {
  for (const registry of [undefined, '', 'evil.io'])
    expect(understood(await deliver(body({ registry }), {}, 'at-home'))).toEqual(
      but({ registry: 'registry.inside.io:5000' }),
    );
});

test('an id is one push, whenever it is tried again', async () => {
  const policy = await addPolicy(rig.database.pool, 'registry.acme.io:5000/team/api:*');
  const first = await deliver(body());
  expect(first.json.outcome).toBe('started');
  await rig.database.pool.query("update webhook_deliveries set last_received_at = now() - interval '1 hour'");
  const again = await deliver(body(), { timestamp: String(SECONDS + 60) });
  expect([again.status, again.json.outcome, again.json.rollout_id]).toEqual([202, 'duplicate', first.json.rollout_id]);
  expect((await deliver(body({ digest: digestOf('b') }), { id: 'msg_2' })).json.outcome).toBe('superseding');
  await rig.database.pool.query('delete from image_update_policies where id = $1', [policy]);
});

test('an unsigned push without an id is a repetition for a minute', async () => {
  const send = () => rig.deliver('open', body());
  expect(understood(await send())).toEqual(but({ event_id: null }));
  await send();
  const { rows } = await rig.database.pool.query('select times_received from webhook_deliveries');
  expect(rows).toEqual([{ times_received: 2 }]);
});

test.each<[string, (raw: string) => Headers]>([
  ['a secret in plain text, which is being rotated out', (raw) => signed(raw, { key: PREVIOUS })],
  [
    'a right signature among others',
    (raw) => ({ ...signed(raw), 'webhook-signature': `v1a,AAAA v1,${'A'.repeat(43)}= ${signature(raw)}` }),
  ],
  ['a time that is just not too old', (raw) => signed(raw, { timestamp: String(SECONDS - 299) })],
  ['a time that is just not too far ahead', (raw) => signed(raw, { timestamp: String(SECONDS + 299) })],
])('%s is taken', async (_, headers) => {
  const raw = JSON.stringify(body());
  expect(understood(await rig.deliver('ci', raw, headers(raw)))).toEqual(api);
});

test.each<[string, (raw: string) => Headers]>([
  ['nothing', () => json],
  ['the secret itself', () => ({ ...json, ...bearer(WHSEC) })],
  ["somebody else's key", (raw) => signed(raw, { key: WRONG })],
  ['the secret as text, not as the key that it holds', (raw) => signed(raw, { key: WHSEC })],
  ['another body', () => signed(JSON.stringify(body({ tag: 'evil' })))],
  ['another id beside a right signature', (raw) => ({ ...signed(raw), 'webhook-id': 'msg_2' })],
  ['another time beside a right signature', (raw) => ({ ...signed(raw), 'webhook-timestamp': String(SECONDS + 1) })],
  ['a time that is too old', (raw) => signed(raw, { timestamp: String(SECONDS - 301) })],
  ['a time that is too far ahead', (raw) => signed(raw, { timestamp: String(SECONDS + 301) })],
  ['a time that is none', (raw) => signed(raw, { timestamp: NOW })],
  [
    'no id',
    (raw) => Object.fromEntries(Object.entries(signed(raw, { id: '' })).filter(([name]) => name !== 'webhook-id')),
  ],
  ['no version before the signature', (raw) => ({ ...signed(raw), 'webhook-signature': signature(raw).slice(3) })],
  [
    'a signature of an asymmetric version',
    (raw) => ({ ...signed(raw), 'webhook-signature': signature(raw).replace('v1', 'v1a') }),
  ],
  ['the signature cut short', (raw) => ({ ...signed(raw), 'webhook-signature': signature(raw).slice(0, -2) })],
])('401 for %s', async (_, headers) => {
  const raw = JSON.stringify(body());
  await expectRefused(rig, await rig.deliver('ci', raw, headers(raw)));
});

test('one byte more or less is another body', async () => {
  const raw = JSON.stringify(body());
  for (const other of [`${raw} `, raw.slice(0, -1)])
    await expectRefused(rig, await rig.deliver('ci', other, signed(raw)));
});

test.each<[string, object, string]>([
  ['a tag that is a digest', body({ tag: digestOf('a') }), 'by its digest'],
  ["a signature's tag", body({ tag: `sha256-${'a'.repeat(64)}.att` }), 'signature'],
  ['a tag that is none', body({ tag: '-rc' }), 'the tag is none'],
  ['a digest that is none', body({ digest: 'sha256:abc' }), 'the digest is none'],
  ['a name with its tag', body({ repository: 'team/api:1' }), 'without tag and digest'],
  ['a name in capitals', body({ repository: 'Team/api' }), 'lower case'],
  ['a host that is a namespace on Docker Hub', body({ registry: 'registry' }), 'registry_host'],
  ['a host with a path', body({ registry: 'registry.acme.io/team' }), 'registry_host'],
])('a push that can never be rolled out is recorded: %s', async (_, what, reason) => {
  expectUnusable(await deliver(what), reason);
});

test.each<[string, object, string]>([
  ['no registry', body({ registry: undefined }), 'registry'],
  ['a registry that is a list', body({ registry: [] }), 'registry'],
  ['no repository', body({ repository: undefined }), 'repository'],
  ['an empty repository', body({ repository: '' }), 'repository'],
  ['no tag', body({ tag: null }), 'tag'],
  ['a tag that is a number', body({ tag: 1.4 }), 'tag'],
  ['a digest that is a number', body({ digest: 7 }), 'digest'],
  ['a list of pushes', [body()], ''],
])('422 that names the field: %s', async (_, what, path) => {
  expectUnreadable(await deliver(what), path);
});

test.each(brokenBodies)('422 for a body that is no push: %s', async (_, what) => {
  expect((await deliver(what)).status).toBe(422);
});

test('413 for a body that is too large, before anything is checked of it', async () => {
  expect((await deliver(body({ padding: 'x'.repeat(1024 * 1024) }))).status).toBe(413);
});
