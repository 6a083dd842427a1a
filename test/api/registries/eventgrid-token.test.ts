import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { outsidePages } from '../../support/outside-pages';
import {
  bearer,
  expectRefused,
  forgetDeliveries,
  json,
  SECRET,
  startRegistryRig,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const NOW = '2026-01-01T00:00:00Z';
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const KEYS = `https://login.microsoftonline.com/${TENANT}/discovery/v2.0/keys`;
const AUDIENCE = 'api://fleetwave-webhooks';
const EVENT_GRID = '4962773b-9cdb-44cf-a8bf-237846a00ab7';
const V2 = { iss: `https://login.microsoftonline.com/${TENANT}/v2.0`, azp: EVENT_GRID };
const V1 = { iss: `https://sts.windows.net/${TENANT}/`, appid: EVENT_GRID };
const world = outsidePages(NOW);
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let stranger: Awaited<ReturnType<typeof generateKeyPair>>;
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig({ outside: world.outside });
  keys = await generateKeyPair('RS256', { extractable: true });
  stranger = await generateKeyPair('RS256', { extractable: true });
  const known = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig' };
  world.pages[KEYS] = JSON.stringify({ keys: [known] });
  const entra = { tenant_id: TENANT.toUpperCase(), audience: AUDIENCE };
  await rig.source('entra', { kind: 'eventgrid', options: { entra } });
  await rig.source('both', { kind: 'eventgrid', secrets: [SECRET], options: { entra } });
  const own = { ...entra, application_ids: ['11111111-2222-4333-8444-555555555555'] };
  await rig.source('identity', { kind: 'eventgrid', options: { entra: own } });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

async function token(claims: JWTPayload, key = keys.privateKey): Promise<Headers> {
  const at = Date.parse(NOW) / 1000;
  const made = new SignJWT({ aud: AUDIENCE, iat: at, exp: at + 3600, ...claims });
  return bearer(await made.setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'JWT' }).sign(key));
}
const deliver = (headers: Headers, source = 'entra') => rig.deliver(source, [], { ...json, ...headers });

test('the tokens of both versions are taken, and the secret beside them', async () => {
  for (const claims of [V1, V2]) expect((await deliver(await token(claims))).status).toBe(200);
  expect((await deliver(bearer(), 'both')).status).toBe(200);
  expect((await deliver(await token(V2), 'both')).status).toBe(200);
  const identity = { ...V2, azp: '11111111-2222-4333-8444-555555555555' };
  expect((await deliver(await token(identity), 'identity')).status).toBe(200);
  expect(new Set(world.asked)).toEqual(new Set([KEYS]));
});

test('a validation with a token is answered', async () => {
  const data = { validationCode: 'code' };
  const body = [{ id: 'v', eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent', data }];
  const reply = await rig.deliver('entra', body, { ...json, ...(await token(V2)) });
  expect([reply.status, reply.json]).toEqual([200, { validationResponse: 'code' }]);
});

test.each<[string, () => Promise<Headers>]>([
  ['nothing', () => Promise.resolve({})],
  ['a token that is none', () => Promise.resolve(bearer('e30.e30.'))],
  ['a token of another key', () => token(V2, stranger.privateKey)],
  ['a token for another audience', () => token({ ...V2, aud: 'api://another' })],
  ["another tenant's token", () => token({ ...V2, iss: V2.iss.replace(/7$/, '8').replace('72f', '73f') })],
  ["another application's token", () => token({ ...V2, azp: '99999999-2222-4333-8444-555555555555' })],
  ["a token that does not say which application's it is", () => token({ iss: V2.iss })],
  ['a token that is over', () => token({ ...V2, exp: Date.parse(NOW) / 1000 - 120 })],
  ['a token without an end', () => token({ ...V2, exp: undefined } as unknown as JWTPayload)],
])('401 for %s', async (_, headers) => {
  await expectRefused(rig, await deliver(await headers()));
});

test('503 where the keys cannot be had: it must be sent again', async () => {
  const tenant = '00000000-86f1-41af-91ab-2d7cd011db47';
  await rig.source('away', { kind: 'eventgrid', options: { entra: { tenant_id: tenant, audience: AUDIENCE } } });
  const claims = { iss: `https://login.microsoftonline.com/${tenant}/v2.0`, azp: EVENT_GRID };
  expect((await deliver(await token(claims), 'away')).status).toBe(503);
});

test('OPTIONS is answered without asking for keys', async () => {
  const before = world.asked.length;
  const headers = { 'webhook-request-origin': 'eventgrid.azure.net', ...(await token(V2, stranger.privateKey)) };
  expect((await rig.call('OPTIONS', '/api/v1/webhooks/both', { headers })).status).toBe(200);
  expect(world.asked.length).toBe(before);
});

test.each<[string, object, string]>([
  ['neither secret nor entra', {}, 'secrets'],
  ['a tenant that is a name', { entra: { tenant_id: 'acme', audience: AUDIENCE } }, 'options.entra.tenant_id'],
  ['no audience', { entra: { tenant_id: TENANT } }, 'options.entra.audience'],
  ['a header that is none', { header: 'a b' }, 'options.header'],
])('a source is not made with %s', async (_, options, path) => {
  const reply = await rig.admin('PUT', '/api/v1/webhook-sources/odd', { kind: 'eventgrid', options });
  expect([reply.status, reply.json.errors[0].path]).toEqual([422, path]);
});
