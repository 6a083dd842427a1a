import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { addPolicy, digestOf } from '../../support/intake';
import { outsidePages } from '../../support/outside-pages';
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
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const NOW = '2026-01-01T00:00:00Z';
const CERTIFICATES = 'https://www.googleapis.com/oauth2/v3/certs';
const AUDIENCE = 'https://fleet.acme.io/api/v1/webhooks/gar';
const EMAIL = 'pubsub-push@acme-prod.iam.gserviceaccount.com';
const HOST = 'europe-west4-docker.pkg.dev';
const IMAGE = `${HOST}/acme-prod/images/api`;
const ID = '7320000000000001';
const world = outsidePages(NOW);
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let stranger: Awaited<ReturnType<typeof generateKeyPair>>;
let rig: RegistryRig;
let google: Headers;
beforeAll(async () => {
  rig = await startRegistryRig({ outside: world.outside });
  keys = await generateKeyPair('RS256', { extractable: true });
  stranger = await generateKeyPair('RS256', { extractable: true });
  const known = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  world.pages[CERTIFICATES] = JSON.stringify({ keys: [known] });
  google = await token();
  await rig.source('gar', { kind: 'gar', options: { audience: AUDIENCE, email: EMAIL } });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

async function token(claims: JWTPayload = {}, key = keys.privateKey): Promise<Headers> {
  const at = Date.parse(NOW) / 1000;
  const all = { iss: 'https://accounts.google.com', aud: AUDIENCE, sub: '1', email: EMAIL, email_verified: true };
  const made = new SignJWT({ ...all, iat: at, exp: at + 3600, ...claims });
  return bearer(await made.setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'JWT' }).sign(key));
}

const change = (fields: object = {}): object => ({
  ...{ action: 'INSERT', digest: `${IMAGE}@${digestOf('a')}`, tag: `${IMAGE}:1.4.2`, ...fields },
});
/** As Pub/Sub wraps it, in both spellings. */
function wrapped(data: object | string, message: object = {}): object {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return {
    message: {
      ...{ data: Buffer.from(text).toString('base64'), messageId: ID, message_id: ID },
      ...{ publishTime: '2026-01-01T00:00:00.123Z', publish_time: '2026-01-01T00:00:00.123Z', ...message },
    },
    subscription: 'projects/acme-prod/subscriptions/gar-push',
  };
}
const push = { registry: HOST, repository: 'acme-prod/images/api', tag: '1.4.2', digest: digestOf('a'), event_id: ID };
const deliver = (body: string | Buffer | object, headers: Headers = json) =>
  rig.deliver('gar', body, { ...google, ...headers });
const at = (image: string, tag = '1.4.2') => change({ tag: `${image}:${tag}`, digest: `${image}@${digestOf('a')}` });

describe('a push', () => {
  test.each<[string, object, object]>([
    ['as Pub/Sub wraps it', wrapped(change()), {}],
    ['by the other spelling alone', wrapped(change(), { messageId: undefined, publishTime: undefined }), {}],
    ['without an id', wrapped(change(), { messageId: undefined, message_id: undefined }), { event_id: null }],
    ['with attributes and a try', { ...wrapped(change(), { attributes: { tag: 'x' } }), deliveryAttempt: 5 }, {}],
    ['without a digest', wrapped(change({ digest: undefined })), { digest: null }],
    [
      'with keys that reach for prototypes',
      wrapped(JSON.stringify(change()).replace('{', '{"__proto__": {"tag": "evil/a:1"}, ')),
      {},
    ],
    ['of gcr.io', wrapped(at('gcr.io/acme-prod/api')), { registry: 'gcr.io', repository: 'acme-prod/api' }],
    ['of eu.gcr.io', wrapped(at('eu.gcr.io/acme-prod/api')), { registry: 'eu.gcr.io', repository: 'acme-prod/api' }],
    [
      "of a domain's own project",
      wrapped(at(`${HOST}/acme.com/prod/images/api`)),
      { repository: 'acme.com/prod/images/api' },
    ],
  ])('%s', async (_, body, expected) => {
    expect(understood(await deliver(body))).toEqual(pushOf({ ...push, ...expected }));
  });

  test.each<[string, Headers, object]>([
    ['with its metadata', { 'x-goog-pubsub-message-id': ID, 'x-goog-pubsub-publish-time': NOW }, {}],
    ['without its metadata', {}, { event_id: null }],
    ['without a content type', { 'content-type': '' }, { event_id: null }],
  ])('that is not wrapped, %s', async (_, headers, expected) => {
    expect(understood(await deliver(change(), { ...json, ...headers }))).toEqual(pushOf({ ...push, ...expected }));
  });

  test.each<[string, object]>([
    ['source', { registry_host: 'mirror.acme.io' }],
    ['host', { repositories: { [HOST]: 'mirror.acme.io' } }],
  ])("the operator's name for it goes before: by %s", async (_, place) => {
    await rig.source('placed', { kind: 'gar', secrets: [SECRET], ...place });
    const reply = await rig.deliver('placed', wrapped(change()), json, `?secret=${SECRET}`);
    expect(understood(reply)).toEqual(pushOf({ ...push, registry: 'mirror.acme.io' }));
  });

  test('is known again by its id, and two messages of one fact by their digest', async () => {
    await addPolicy(rig.database.pool, `${IMAGE}:*`);
    const outcomes: string[] = [];
    const other = { messageId: '2', message_id: '2' };
    for (const body of [wrapped(change()), { ...wrapped(change()), deliveryAttempt: 2 }, wrapped(change(), other)])
      outcomes.push((await deliver(body)).json.outcome);
    expect(outcomes).toEqual(['started', 'duplicate', 'duplicate']);
    const { rows } = await rig.database.pool.query(
      'select delivery_key, times_received from webhook_deliveries order by delivery_key',
    );
    expect(rows).toEqual([
      { delivery_key: 'event:2', times_received: 1 },
      { delivery_key: `event:${ID}`, times_received: 2 },
    ]);
    await rig.database.pool.query('delete from image_update_policies');
  });

  test('a body without an id is the same for a minute, an id for ever', async () => {
    const { pool } = rig.database;
    await addPolicy(pool, `${IMAGE}:*`);
    const moved = change({ digest: `${IMAGE}@${digestOf('b')}` });
    const outcomeOf = async (body: object, headers: Headers = json) =>
      (await deliver(body, headers)).json.outcome as string;
    expect([await outcomeOf(change()), await outcomeOf(wrapped(moved))]).toEqual(['started', 'superseding']);
    expect(await outcomeOf(change())).toBe('duplicate');
    await pool.query("update webhook_deliveries set last_received_at = now() - interval '61 seconds'");
    expect([await outcomeOf(change()), await outcomeOf(wrapped(moved))]).toEqual(['superseding', 'duplicate']);
    await pool.query('delete from image_update_policies');
  });
});

test.each<[string, object, string]>([
  ['a deleted tag', change({ action: 'DELETE', digest: undefined }), 'DELETE'],
  ['a deleted image', change({ action: 'DELETE', tag: undefined }), 'DELETE'],
  ["a platform's manifest", change({ tag: undefined }), 'untagged'],
  ['an empty tag', change({ tag: '' }), 'untagged'],
  ['another action', change({ action: 'insert' }), 'unknown action'],
])('nothing is pushed by %s', async (_, data, reason) => {
  await expectNothingPushed(rig, await deliver(wrapped(data)), reason);
});

test.each<[string, object, string]>([
  ['a host of somebody else', at('evil.example.com/acme-prod/api'), '(tag)'],
  ['a host that ends like one', at('eu.gcr.io.evil.example.com/acme-prod/api'), '(tag)'],
  ['a host that begins like one', at('evilpkg.dev/acme-prod/api'), '(tag)'],
  ['a name on Docker Hub', at('library/redis'), '(tag)'],
  ['a port', at(`${HOST}:5000/acme-prod/api`), '(tag)'],
  ['a digest of another image', change({ digest: `${HOST}/acme-prod/images/web@${digestOf('a')}` }), 'two images'],
  ['a digest that is none', change({ digest: `${IMAGE}@sha256:aa` }), 'digest is none'],
  ['a tag that is a digest', change({ tag: `${IMAGE}@${digestOf('a')}`, digest: undefined }), 'not an image name'],
  ['a name without a tag', change({ tag: IMAGE }), 'tag is none'],
  ['a tag that holds a signature', at(IMAGE, `sha256-${'a'.repeat(64)}.sig`), 'signature'],
  ['a name in capitals', at(`${HOST}/acme-prod/images/API`), 'lower case'],
])('%s is recorded, and never rolled out', async (_, data, reason) => {
  expectUnusable(await deliver(wrapped(data)), reason);
});

test.each<[string, object, string]>([
  ['no data', wrapped(change(), { data: undefined }), 'message.data'],
  ['data that is no base64', wrapped(change(), { data: '{"action": "INSERT"}' }), 'message.data: is not base64'],
  ['data that is no JSON', wrapped('hi'), 'message.data: is not JSON'],
  ['data that is a list', wrapped([change()]), 'message.data'],
  ['a tag that is a number', wrapped(change({ tag: 7 })), 'message.data.tag'],
  ['a message that is a text', { message: 'x' }, 'message'],
  ['no action', { tag: `${IMAGE}:1` }, 'action'],
  ...brokenBodies.map(([name, body]): [string, object, string] => [name, Buffer.from(body), 'cannot be read']),
])('%s is recorded and acknowledged, or it would come again for a week', async (_, body, reason) => {
  const reply = await deliver(body);
  expectUnusable(reply, reason);
  expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(1);
});

describe("Google's token", () => {
  test.each<[string, () => Promise<Headers>]>([
    ['of its other name', () => token({ iss: 'accounts.google.com' })],
    ['of several audiences', () => token({ aud: ['https://other.example.com', AUDIENCE] })],
  ])('%s lets in', async (_, make) => {
    expect((await rig.deliver('gar', wrapped(change()), { ...json, ...(await make()) })).status).toBe(202);
  });

  test.each<[string, () => Promise<Headers>]>([
    ['none', () => Promise.resolve({})],
    ['a secret', () => Promise.resolve(bearer())],
    ['another account', () => token({ email: 'somebody@evil.iam.gserviceaccount.com' })],
    ['no account', () => token({ email: undefined })],
    ['an account that was not verified', () => token({ email_verified: false })],
    ['an account verified in words', () => token({ email_verified: 'true' })],
    ['another audience', () => token({ aud: 'https://fleet.acme.io/' })],
    ['another issuer', () => token({ iss: 'https://accounts.evil.example.com' })],
    ['one that is over', () => token({ exp: Date.parse(NOW) / 1000 - 120 })],
    ['one without an end', () => token({ exp: undefined as never })],
    ["a stranger's key", () => token({}, stranger.privateKey)],
  ])('401 without a hint: %s', async (_, make) => {
    await expectRefused(rig, await rig.deliver('gar', wrapped(change()), { ...json, ...(await make()) }));
  });

  test('is checked by keys that are fetched once, from Google alone', () => {
    expect(world.asked).toEqual([CERTIFICATES]);
  });
});

test('without the options a secret in the URL proves a delivery', async () => {
  await rig.source('secret', { kind: 'gar', secrets: [SECRET, PREVIOUS] });
  const reply = async (query: string) => rig.deliver('secret', wrapped(change()), json, query);
  for (const secret of [SECRET, PREVIOUS]) expect((await reply(`?secret=${secret}`)).status).toBe(202);
  await forgetDeliveries(rig);
  for (const query of ['', `?secret=${WRONG}`]) await expectRefused(rig, await reply(query));
});

test.each<[string, object, string]>([
  ['neither', {}, 'secrets'],
  ['an audience alone', { options: { audience: AUDIENCE } }, 'options.email'],
  ['an email alone', { options: { email: EMAIL } }, 'options.email'],
])('a source with %s is refused', async (_, fields, path) => {
  expectUnreadable(await rig.admin('PUT', '/api/v1/webhook-sources/none', { kind: 'gar', ...fields }), path);
});

test('a name that cannot be stored does not stop the queue: where the operator says the place, it is replaced in what is told', async () => {
  await rig.source('placed', { kind: 'gar', secrets: [SECRET], registry_host: 'mirror.acme.io' });
  await addPolicy(rig.database.pool, 'mirror.acme.io/acme-prod/api:*');
  for (const [index, host] of ['a\u0000b', 'a\ud800b', 'a'.repeat(300_000)].entries()) {
    const id = { messageId: String(index), message_id: String(index) };
    const body = wrapped({ action: 'INSERT', tag: `${host}/acme-prod/api:${String(index)}` }, id);
    const reply = await rig.deliver('placed', body, json, `?secret=${SECRET}`);
    expect([reply.status, reply.json.outcome]).toEqual([202, 'started']);
    expect(reply.json.image.length).toBeLessThanOrEqual(512);
  }
});
