import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createOutside } from '../../src/api/verification/outside';
import { addPolicy, dockerHubBody } from '../support/intake';
import { recordingLogger } from '../support/outage';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

const SECRET = 'the-secret-of-a-source';
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:ecr';
const NOW = Date.parse('2026-01-01T00:00:00Z');
const json = { 'content-type': 'application/json' };
const { log, lines } = recordingLogger();
let failure: Error = new Error('answered 404');
let rig: ApiRig;
beforeAll(async () => {
  const outside = createOutside(
    () => Promise.reject(failure),
    () => new Date(NOW),
  );
  const key = { FLEETWAVE_SECRETS_KEY: randomBytes(32).toString('base64') };
  rig = await startApiRig({ ...key, FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' }, { log, outside });
  await addPolicy(rig.database.pool, 'redis:*');
});
beforeEach(async () => {
  lines.length = 0;
  await rig.database.pool.query('truncate webhook_deliveries, webhook_requests, image_rollouts cascade');
});
afterAll(() => rig.close());

let sources = 0;
/** A new one each, since lines are counted by source. */
async function source(kind: string, fields: object = { secrets: [SECRET] }): Promise<string> {
  const name = `${kind}-${String((sources += 1))}`;
  const made = await rig.admin('PUT', `/api/v1/webhook-sources/${name}`, { kind, ...fields });
  expect(made.status).toBe(201);
  return name;
}
const shown = async (name: string) => (await rig.admin('GET', `/api/v1/webhook-sources/${name}`)).json;
const send = (name: string, raw: string, headers: Record<string, string> = {}): Promise<Reply> =>
  rig.call('POST', `/api/v1/webhooks/${name}`, { raw, headers: { ...json, ...headers } });
const bearer = { authorization: `Bearer ${SECRET}` };
const refusals = () =>
  lines.filter((line) => line.msg.includes('was refused')) as (Record<string, unknown> & {
    msg: string;
  })[];
const rows = async (name: string) =>
  (await rig.admin('GET', `/api/v1/webhook-deliveries?source=${name}`)).json.webhook_deliveries;

describe('a refusal', () => {
  test.each<[string, number, string, () => [string, Record<string, string>]]>([
    ['a wrong secret', 401, 'the secret is wrong', () => ['{}', { authorization: 'Bearer nope-nope' }]],
    ['a body of another kind', 422, 'push_data', () => ['{"repository": {"repo_name": "redis"}}', bearer]],
    ['another content type', 415, 'text/html', () => ['{}', { ...bearer, 'content-type': 'text/html' }]],
    ['a body beyond all limits', 413, '1048576 bytes', () => ['x'.repeat(3 * 1024 * 1024), bearer]],
    ['a body beyond its own limit', 413, '1048576 bytes', () => ['x'.repeat(1024 * 1024 + 1), bearer]],
    ['a compressed body', 415, 'content-encoding', () => ['{}', { ...bearer, 'content-encoding': 'zstd' }]],
  ])('leaves one line and is shown: %s', async (_, status, reason, given) => {
    const name = await source('dockerhub');
    const [raw, headers] = given();
    const answer = await send(name, raw, headers);
    expect(answer.status).toBe(status);
    expect(refusals()).toMatchObject([{ source: name, status, msg: expect.stringContaining(reason) }]);
    expect(JSON.stringify(lines)).not.toContain(SECRET);
    expect(await shown(name)).toMatchObject({
      last_accepted_at: null,
      last_refused: { at: expect.any(String), status, reason: expect.stringContaining(reason) },
    });
    const metrics = (await rig.call('GET', '/metrics')).text;
    expect(metrics).toContain(
      `fleetwave_webhook_results_total{kind="dockerhub",outcome="refused",status="${String(status)}"}`,
    );
    if (status === 413) expect(answer.json.detail).toContain('1048576 bytes');
  });

  test('of an unknown source names how it is made, and cannot fill the log', async () => {
    for (let count = 0; count < 30; count += 1) {
      const answer = await send(`nosuch-${String(count)}`, '{}');
      expect(answer.status).toBe(404);
      expect(answer.json.detail).toBe(
        `there is no source nosuch-${String(count)}: an admin makes it with PUT /api/v1/webhook-sources/nosuch-${String(count)}`,
      );
    }
    expect(refusals()).toHaveLength(10);
    expect((await send('No Such', '{}')).json.detail).toContain('small letters');
  });

  test('an accepted delivery shows too, and is told by its time in the database where this process knows of none', async () => {
    const name = await source('dockerhub');
    await send(name, dockerHubBody('redis', '8.0'), bearer);
    expect(await shown(name)).toMatchObject({ last_accepted_at: expect.any(String), last_refused: null });
    const old = await source('dockerhub');
    await rig.database.pool.query(
      `insert into webhook_deliveries (source, delivery_key, received_at, last_received_at, results)
       values ($1, 'a', '2026-01-01', '2026-01-02', '[{"outcome": "started"}]'), ($1, 'b', '2026-01-03', '2026-01-03', '[{"outcome": "refused"}]')`,
      [old],
    );
    expect(await shown(old)).toMatchObject({ last_accepted_at: expect.stringMatching(/^2026-01-0[12]T/) });
    const metrics = (await rig.call('GET', '/metrics')).text;
    expect(metrics).toContain('fleetwave_webhook_results_total{kind="dockerhub",outcome="started",status="202"} 1');
  });
});

describe('a delivery that proved itself and cannot be read', () => {
  test('is kept as refused, to be looked at, and is judged again once it can be read', async () => {
    const name = await source('generic', { allow_unsigned: false, secrets: [SECRET] });
    const seconds = String(NOW / 1000);
    const body = '{"repository": "redis", "tag": "9.9"}';
    const signature = createHmac('sha256', SECRET).update(`id-1.${seconds}.${body}`).digest('base64');
    const headers = { 'webhook-id': 'id-1', 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
    expect((await send(name, body, headers)).status).toBe(422);
    const [row] = await rows(name);
    expect(row).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('registry'), kind: 'generic' });
    const whole = (await rig.admin('GET', `/api/v1/webhook-deliveries/${row.id}`)).json;
    expect([whole.body, whole.headers['webhook-signature']]).toEqual([body, '[redacted]']);
    expect((await rig.admin('GET', '/api/v1/webhook-deliveries?outcome=refused')).json.webhook_deliveries).toHaveLength(
      1,
    );
    expect((await rig.admin('POST', `/api/v1/webhook-deliveries/${row.id}/replay`)).status).toBe(422);
    const mended = { kind: 'generic', secrets: [SECRET], registry_host: 'docker.io' };
    await rig.admin('PUT', `/api/v1/webhook-sources/${name}`, mended);
    expect((await rig.admin('POST', `/api/v1/webhook-deliveries/${row.id}/replay`)).json.outcome).not.toBe('refused');
  });

  test('leaves no row where nobody had to prove anything, and no more than ten a minute', async () => {
    const open = await source('dockerhub', { allow_unsigned: true });
    expect((await send(open, '{')).status).toBe(422);
    expect(await rows(open)).toEqual([]);
    const name = await source('dockerhub');
    for (let count = 0; count < 12; count += 1) await send(name, `{"a": ${String(count)}}`, bearer);
    expect(await rows(name)).toHaveLength(10);
  });

  test('and is acknowledged all the same is not logged as accepted', async () => {
    const name = await source('distribution');
    const answer = await send(name, '{', {
      ...bearer,
      'content-type': 'application/vnd.docker.distribution.events.v2+json',
    });
    expect(answer.status).toBe(200);
    expect(lines.map((line) => line.msg)).toEqual(['webhook recorded, but it cannot be read: the body is not JSON']);
  });
});

describe('the log says what is expected', () => {
  test('of gar, its audience and service account', async () => {
    const options = { audience: 'https://fleet.acme.io', email: 'push@acme.iam.gserviceaccount.com' };
    const name = await source('gar', { options });
    await send(name, '{}');
    expect(refusals()[0]?.msg).toMatch(/audience https:\/\/fleet\.acme\.io, of the service account push@acme/);
    expect(refusals()[0]?.msg).not.toContain('the secrets of PUT');
  });

  test('of sns, its topics', async () => {
    const name = await source('sns', { options: { topic_arns: [TOPIC] } });
    await send(name, '{}');
    expect(refusals()[0]?.msg).toContain(`"topic_arns" (${TOPIC})`);
    expect(refusals()[0]?.msg).not.toContain('the secrets of PUT');
  });

  test('of generic, whether the signature or the time is wrong; the sender is told neither', async () => {
    const name = await source('generic');
    const at = async (seconds: number, secret: string) => {
      const signature = createHmac('sha256', secret)
        .update(`i.${String(seconds)}.{}`)
        .digest('base64');
      const headers = {
        'webhook-id': 'i',
        'webhook-timestamp': String(seconds),
        'webhook-signature': `v1,${signature}`,
      };
      return (await send(name, '{}', headers)).json.detail;
    };
    const told = [await at(NOW / 1000 - 301, SECRET), await at(NOW / 1000, 'another-secret')];
    expect(told).toEqual(['the delivery is not authenticated', 'the delivery is not authenticated']);
    expect(refusals()[0]?.msg).toContain(
      'webhook-signature is right, but webhook-timestamp is more than five minutes off',
    );
    expect(refusals()[1]?.msg).toContain('webhook-signature is not made with the secret');
  });

  test('of keys that cannot be had, where they are and why', async () => {
    const options = { audience: 'a', email: 'push@acme.iam.gserviceaccount.com' };
    const name = await source('gar', { options });
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const token = `${encode({ alg: 'RS256', kid: '1' })}.${encode({ iss: 'https://accounts.google.com' })}.xx`;
    failure = new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ENOTFOUND' }) });
    const answer = await send(name, '{}', { authorization: `Bearer ${token}` });
    expect([answer.status, answer.json.detail]).toEqual([
      503,
      'the keys that prove this delivery cannot be had now: try again',
    ]);
    expect(refusals()[0]?.msg).toContain(
      'https://www.googleapis.com/oauth2/v3/certs: its name is not known to DNS (ENOTFOUND)',
    );
  });
});

describe('the built-in source', () => {
  const path = '/api/v1/webhook-sources/docker-registry';

  test('shows whether it takes unsigned deliveries, also after secrets were given and taken back', async () => {
    expect((await shown('docker-registry')).allow_unsigned).toBe(true);
    const given = await rig.admin('PUT', path, { kind: 'docker-registry', secrets: [SECRET] });
    expect(given.json).toMatchObject({
      allow_unsigned: false,
      note: 'unsigned deliveries are refused from now on: PUT {"kind": "docker-registry"} without "secrets" takes them again',
    });
    expect((await send('docker-registry', dockerHubBody('redis', '8.1'))).status).toBe(401);
    const back = await rig.admin('PUT', path, { kind: 'docker-registry' });
    expect([back.json.allow_unsigned, back.json.note]).toEqual([true, undefined]);
    expect((await send('docker-registry', dockerHubBody('redis', '8.1'))).status).toBe(202);
  });
});

test('deliveries of a source that never was are a 404, those of one that was or is are listed', async () => {
  const of = (name: string) => rig.admin('GET', `/api/v1/webhook-deliveries?source=${name}`);
  expect((await of('nosuch')).json).toMatchObject({ status: 404, detail: 'there is no webhook source nosuch' });
  for (const name of ['docker-registry', 'reconcile', await source('dockerhub')])
    expect([name, (await of(name)).status]).toEqual([name, 200]);
  const gone = await source('dockerhub');
  await send(gone, dockerHubBody('redis', '8.2'), bearer);
  await rig.admin('DELETE', `/api/v1/webhook-sources/${gone}`);
  expect((await of(gone)).json.webhook_deliveries).toHaveLength(1);
});
