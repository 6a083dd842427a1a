import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, dockerHubBody, sign, startIntake, webhookFixture, type Intake } from '../support/intake';

const SECRET = 'a-secret-of-the-registry';
const json = { 'content-type': 'application/json' };
let database: TestDatabase;
let intake: Intake;
let pushes = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await addPolicy(database.pool, 'redis:*');
  intake = await startIntake(database.pool, {
    FLEETWAVE_WEBHOOK_SECRET: SECRET,
    FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true',
  });
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

/** Each a push that was not seen before, so that passing shows as `started` or `superseding`. */
function freshBody(): string {
  pushes += 1;
  return dockerHubBody('redis', `7.${String(pushes)}`);
}

test('fault of the original: a right signature over an indented body is accepted, because the raw bytes are signed', async () => {
  const body = `${JSON.stringify(JSON.parse(webhookFixture('dockerhub-push')), null, 8)}\r\n\n`;
  const answer = await intake.deliver(body, { ...json, 'x-hub-signature-256': sign(body, SECRET) });
  expect(answer.status).toBe(202);
  expect(answer.body.outcome).toBe('started');
});

test('fault of the original: X-Hub-Signature-256 is understood, also beside a SHA-1 signature', async () => {
  const body = freshBody();
  const headers = { ...json, 'x-hub-signature': 'sha1=0000', 'x-hub-signature-256': sign(body, SECRET) };
  expect((await intake.deliver(body, headers)).status).toBe(202);
});

const signed = freshBody();
const sha1 = `sha1=${createHmac('sha1', SECRET).update(signed).digest('hex')}`;
test.each<[string, Record<string, string>, string]>([
  ['fault of the original: a short signature is refused, not a crash', { 'x-hub-signature-256': 'sha256=ab' }, ''],
  ['an empty signature', { 'x-hub-signature-256': '' }, ''],
  ['a signature with another secret', { 'x-hub-signature-256': sign(signed, 'another-secret') }, ''],
  ['a signature over other bytes', { 'x-hub-signature-256': sign(`${signed} `, SECRET) }, ''],
  [
    'a wrong signature beside the right bearer token',
    { 'x-hub-signature-256': sign(signed, 'another-secret'), authorization: `Bearer ${SECRET}` },
    '',
  ],
  ['a right SHA-1 signature', { 'x-hub-signature': sha1 }, ''],
  ['a wrong bearer token', { authorization: `Bearer ${SECRET}x` }, ''],
  ['an empty bearer token', { authorization: 'Bearer ' }, ''],
  ['basic authentication', { authorization: `Basic ${Buffer.from(`x:${SECRET}`).toString('base64')}` }, ''],
  ['a wrong secret in the URL', {}, '?secret=nope'],
  ['two secrets in the URL', {}, `?secret=${SECRET}&secret=x`],
  ['no credential at all, although unsigned deliveries are allowed where no secret is set', {}, ''],
])('401 without a hint: %s', async (_, headers, query) => {
  const answer = await intake.deliver(signed, { ...json, ...headers }, query);
  expect(answer.status).toBe(401);
  expect(answer.body).toMatchObject({
    type: 'urn:fleetwave:problem:webhook-not-authenticated',
    detail: 'the delivery is not authenticated',
  });
  for (const part of ['FLEETWAVE_WEBHOOK_SECRET', 'Authorization: Bearer', 'X-Hub-Signature-256', '?secret='])
    expect(intake.log()).toContain(part);
  expect(intake.log()).not.toContain(SECRET);
  const written = await database.pool.query("select from image_rollouts where tag = '7.1'");
  expect(written.rowCount).toBe(0);
});

test('the secret passes as a bearer token and in the URL', async () => {
  expect((await intake.deliver(freshBody(), { ...json, authorization: `Bearer ${SECRET}` })).status).toBe(202);
  expect((await intake.deliver(freshBody(), json, `?secret=${SECRET}`)).status).toBe(202);
});

test('a signature is checked before the body is parsed', async () => {
  expect((await intake.deliver('{', json)).status).toBe(401);
});

test('without a secret, unsigned deliveries are refused unless the installation allows them', async () => {
  const strict = await startIntake(database.pool, {});
  const open = await startIntake(database.pool, { FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' });
  try {
    expect((await strict.deliver(freshBody())).status).toBe(401);
    expect((await open.deliver(freshBody())).status).toBe(202);
  } finally {
    await strict.close();
    await open.close();
  }
});
