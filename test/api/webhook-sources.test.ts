import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { addPolicy, digestOf, dockerHubBody, envelope, sign, startIntake } from '../support/intake';
import { ADMIN_TOKEN, startApiRig, type ApiRig, type Reply } from './api-rig';

const json = { 'content-type': 'application/json' };
const SECRET = 'the-secret-of-a-source';
const key = randomBytes(32).toString('base64');
let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_SECRETS_KEY: key, FLEETWAVE_WEBHOOK_SECRET: 'secret-of-the-environment' });
  await addPolicy(rig.database.pool, 'redis:*');
  await addPolicy(rig.database.pool, 'registry.example.com:5000/team/api:*');
  await addPolicy(rig.database.pool, 'public.acme.io/team/api:*');
  await addPolicy(rig.database.pool, 'ghcr.io/acme/*:*');
});
beforeEach(async () => {
  await rig.database.pool.query('truncate webhook_deliveries, webhook_requests, image_rollouts cascade');
});
afterAll(() => rig.close());

const put = (name: string, body: object) => rig.admin('PUT', `/api/v1/webhook-sources/${name}`, body);
const deliver = (name: string, raw: string, headers: Record<string, string> = {}, method = 'POST'): Promise<Reply> =>
  rig.call(method, `/api/v1/webhooks/${name}`, { raw, headers: { ...json, ...headers } });
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
let tags = 0;
const fresh = () => dockerHubBody('redis', `7.${String((tags += 1))}`);

describe('a source', () => {
  test('is made, shown without its secrets, replaced and deleted', async () => {
    const made = await put('hub', { kind: 'dockerhub', secrets: [SECRET, 'the-previous-secret'] });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      ...{ name: 'hub', kind: 'dockerhub', allow_unsigned: false, registry_host: null, repositories: {}, options: {} },
      secrets: [{ fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/) }, { fingerprint: expect.any(String) }],
      ...{ built_in: false, updated_by: 'admin' },
    });
    const shown = await rig.admin('GET', '/api/v1/webhook-sources/hub');
    expect(shown.json).toEqual(made.json);
    const replaced = await put('hub', { kind: 'dockerhub', secrets: [SECRET], registry_host: 'mirror.acme.io' });
    expect([replaced.status, replaced.json.secrets]).toEqual([200, [made.json.secrets[0]]]);
    const list = await rig.admin('GET', '/api/v1/webhook-sources');
    expect(list.json.webhook_sources.map((one: any) => one.name)).toEqual(['docker-registry', 'hub']);
    for (const reply of [made, shown, replaced, list]) expect(reply.text).not.toContain(SECRET);
    expect((await rig.admin('DELETE', '/api/v1/webhook-sources/hub')).status).toBe(204);
    expect((await rig.admin('DELETE', '/api/v1/webhook-sources/hub')).status).toBe(404);
    expect((await rig.admin('GET', '/api/v1/webhook-sources/hub')).status).toBe(404);
    expect((await deliver('hub', fresh(), bearer(SECRET))).status).toBe(404);
  });

  test('keeps its secrets encrypted, each by itself', async () => {
    await put('sealed', { kind: 'dockerhub', secrets: [SECRET, SECRET] });
    const { rows } = await rig.database.pool.query(
      "select secrets, version from webhook_sources where name = 'sealed'",
    );
    const [one, two] = rows[0].secrets as [Buffer, Buffer];
    expect(one.equals(two)).toBe(false);
    for (const sealed of [one, two]) expect(sealed.includes(Buffer.from(SECRET))).toBe(false);
  });

  test.each<[string, string, object, string]>([
    ['a name in capitals', 'Hub', { kind: 'dockerhub', secrets: [SECRET] }, 'params.name'],
    ['a name of 64', 'x'.repeat(64), { kind: 'dockerhub', secrets: [SECRET] }, 'params.name'],
    ['an unknown kind', 'a', { kind: 'docker', secrets: [SECRET] }, 'kind'],
    ['no secret', 'a', { kind: 'dockerhub' }, 'secrets'],
    ['three secrets', 'a', { kind: 'dockerhub', secrets: [SECRET, `${SECRET}2`, `${SECRET}3`] }, 'secrets'],
    ['an empty secret', 'a', { kind: 'dockerhub', secrets: [''] }, 'secrets.0'],
    [
      'secrets that are not asked for',
      'a',
      { kind: 'dockerhub', secrets: [SECRET], allow_unsigned: true },
      'allow_unsigned',
    ],
    ['an unknown field', 'a', { kind: 'dockerhub', secrets: [SECRET], colour: 'red' }, 'colour'],
    ['an unknown option', 'a', { kind: 'dockerhub', secrets: [SECRET], options: { x: 1 } }, 'options.x'],
    ['a host that is none', 'a', { kind: 'dockerhub', secrets: [SECRET], registry_host: 'registry' }, 'registry_host'],
    ['a host with a path', 'a', { kind: 'dockerhub', secrets: [SECRET], registry_host: 'a.io/b' }, 'registry_host'],
    [
      'a place that is none',
      'a',
      { kind: 'dockerhub', secrets: [SECRET], repositories: { x: 'a b' } },
      'repositories.x',
    ],
    ['another kind for the built-in one', 'docker-registry', { kind: 'dockerhub', secrets: [SECRET] }, 'kind'],
  ])('422 naming the field: %s', async (_, name, body, path) => {
    const reply = await put(name, body);
    expect([reply.status, reply.json.errors?.[0]?.path]).toEqual([422, path]);
    expect(reply.text).not.toContain(SECRET);
  });

  test('without a key to encrypt them, secrets are refused with the remedy, and those in the database are not taken for none', async () => {
    await put('other-key', { kind: 'dockerhub', secrets: [SECRET] });
    const saved = rig.deps.config.FLEETWAVE_SECRETS_KEY!;
    try {
      delete rig.deps.config.FLEETWAVE_SECRETS_KEY;
      const refused = await put('keyless', { kind: 'dockerhub', secrets: [SECRET] });
      expect([refused.status, refused.json.detail]).toEqual([422, expect.stringContaining('FLEETWAVE_SECRETS_KEY')]);
      expect((await deliver('other-key', fresh(), bearer(SECRET))).status).toBe(503);
      rig.deps.config.FLEETWAVE_SECRETS_KEY = randomBytes(32).toString('base64');
      expect((await deliver('other-key', fresh(), bearer(SECRET))).status).toBe(503);
    } finally {
      rig.deps.config.FLEETWAVE_SECRETS_KEY = saved;
    }
    expect((await deliver('other-key', fresh(), bearer(SECRET))).status).toBe(202);
  });

  test('only an admin writes, a viewer reads', async () => {
    const viewer = await rig.token('viewer');
    const path = '/api/v1/webhook-sources/docker-registry';
    expect((await rig.call('GET', path, { token: viewer })).status).toBe(200);
    expect((await rig.call('PUT', path, { token: viewer, body: {} })).status).toBe(403);
    expect((await rig.call('DELETE', path, { token: viewer })).status).toBe(403);
  });
});

describe('a delivery', () => {
  test('is read by its source alone, whatever it looks like', async () => {
    await put('hub', { kind: 'dockerhub', secrets: [SECRET] });
    await put('registry', { kind: 'distribution', secrets: [SECRET] });
    const event = envelope({ id: 'e1', tag: '2.0', digest: digestOf('a') });
    const wrong = await deliver('hub', event, bearer(SECRET));
    expect([wrong.status, wrong.json.errors[0].path]).toEqual([422, 'push_data']);
    expect((await deliver('registry', event, bearer(SECRET))).json.outcome).toBe('started');
    // Recorded, since this sender repeats what is refused.
    const recorded = await deliver('registry', fresh(), bearer(SECRET));
    expect([recorded.status, recorded.json.message]).toEqual([200, expect.stringContaining('events')]);
    const { rows } = await rig.database.pool.query(
      "select distinct source, kind, results -> 0 ->> 'outcome' as outcome from webhook_deliveries order by 1, 3",
    );
    expect(rows).toEqual([
      { source: 'hub', kind: 'dockerhub', outcome: 'refused' },
      { source: 'registry', kind: 'distribution', outcome: 'ignored' },
      { source: 'registry', kind: 'distribution', outcome: 'started' },
    ]);
  });

  test('passes with either secret while they are being changed, and with the old one no more afterwards', async () => {
    await put('rotating', { kind: 'dockerhub', secrets: ['old-secret-old'] });
    expect((await deliver('rotating', fresh(), bearer('old-secret-old'))).status).toBe(202);
    await put('rotating', { kind: 'dockerhub', secrets: ['new-secret-new', 'old-secret-old'] });
    for (const secret of ['old-secret-old', 'new-secret-new'])
      expect((await deliver('rotating', fresh(), bearer(secret))).status).toBe(202);
    await put('rotating', { kind: 'dockerhub', secrets: ['new-secret-new'] });
    const refused = await deliver('rotating', fresh(), bearer('old-secret-old'));
    expect([refused.status, refused.json.detail]).toEqual([401, 'the delivery is not authenticated']);
  });

  test('a source that another process has changed, or deleted, is not used as it was', async () => {
    const { pool } = rig.database;
    await put('shared', { kind: 'dockerhub', secrets: [SECRET] });
    expect((await deliver('shared', fresh(), bearer(SECRET))).status).toBe(202);
    const sealed = (await put('another', { kind: 'dockerhub', secrets: ['quite-another-secret'] })).status;
    expect(sealed).toBe(201);
    // What a PUT in another process leaves in the database: no secret, and another version.
    await pool.query(
      "update webhook_sources set secrets = '{}', fingerprints = '{}', version = gen_random_uuid() where name = 'shared'",
    );
    expect((await deliver('shared', fresh(), bearer(SECRET))).status).toBe(401);
    await put('shared', { kind: 'dockerhub', secrets: [SECRET] });
    expect((await deliver('shared', fresh(), bearer(SECRET))).status).toBe(202);
    await pool.query("delete from webhook_sources where name = 'shared'");
    expect((await deliver('shared', fresh(), bearer(SECRET))).status).toBe(404);
    expect((await pool.query("select from webhook_deliveries where source = 'shared'")).rowCount).toBe(2);
  });

  test('needs nothing where the source allows it', async () => {
    await put('open', { kind: 'dockerhub', allow_unsigned: true });
    expect((await deliver('open', fresh())).status).toBe(202);
  });

  test("the same body through two sources is each source's own", async () => {
    for (const name of ['one', 'two']) await put(name, { kind: 'dockerhub', secrets: [SECRET] });
    const body = dockerHubBody('redis', '8', 1767225600);
    expect((await deliver('one', body, bearer(SECRET))).json.outcome).toBe('started');
    expect((await deliver('two', body, bearer(SECRET))).json.outcome).toBe('duplicate');
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(2);
  });

  test("the operator's host goes before the event's", async () => {
    await put('hosted', { kind: 'distribution', secrets: [SECRET], registry_host: 'public.acme.io' });
    const { json: body } = await deliver(
      'hosted',
      envelope({ id: 'h1', tag: '3', digest: digestOf('b') }),
      bearer(SECRET),
    );
    expect(body.results[0]).toMatchObject({ registry: 'public.acme.io', repository: 'team/api', outcome: 'started' });
  });

  test("GitHub's form is signed as it came, and a bearer token proves nothing there", async () => {
    await put('gh', { kind: 'github', secrets: ['another-secret', SECRET] });
    const payload = {
      action: 'published',
      package: {
        ...{ name: 'api', package_type: 'CONTAINER', owner: { login: 'Acme' } },
        package_version: { container_metadata: { tag: { name: '1', digest: digestOf('c') } } },
      },
    };
    const form = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-github-event': 'package',
      'x-github-delivery': randomUUID(),
    };
    expect((await deliver('gh', form, { ...headers, ...bearer(SECRET) })).status).toBe(401);
    const taken = await deliver('gh', form, { ...headers, 'x-hub-signature-256': sign(form, SECRET) });
    expect([taken.status, taken.json.results[0].repository]).toEqual([202, 'acme/api']);
    const noEvent = { ...json, 'x-hub-signature-256': sign('{}', SECRET) };
    expect((await deliver('gh', '{}', noEvent)).json.errors[0].path).toBe('X-GitHub-Event');
    expect(
      (
        await deliver('gh', form.replace('payload', 'load'), {
          ...headers,
          'x-hub-signature-256': sign(form.replace('payload', 'load'), SECRET),
        })
      ).json.errors[0].path,
    ).toBe('payload');
  });

  test.each(['PUT', 'GET', 'OPTIONS'])('405 with what is possible: %s', async (method) => {
    await put('hub', { kind: 'dockerhub', secrets: [SECRET] });
    const reply = await rig.call(
      method,
      '/api/v1/webhooks/hub',
      method === 'PUT' ? { raw: fresh(), headers: { ...json, ...bearer(SECRET) } } : {},
    );
    expect([reply.status, reply.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await rig.call(method, '/api/v1/webhooks/nobody')).status).toBe(404);
  });

  test('what a source would accept is told to everyone, but no secret and no host', async () => {
    await put('hub', { kind: 'distribution', secrets: [SECRET], registry_host: 'internal.acme.io' });
    const reply = await rig.call('GET', '/api/v1/webhooks/hub/test');
    expect(reply.json).toMatchObject({
      source: 'hub',
      kind: 'distribution',
      methods: ['POST'],
      limit_bytes: 1024 * 1024,
    });
    expect(reply.json.proof).toContain('?secret=');
    for (const hidden of [SECRET, 'internal.acme.io']) expect(reply.text).not.toContain(hidden);
    expect((await rig.call('GET', '/api/v1/webhooks/docker-registry/test')).status).toBe(200);
    expect((await rig.call('GET', '/api/v1/webhooks/nobody/test')).status).toBe(404);
  });
});

describe('the built-in source', () => {
  const path = '/api/v1/webhook-sources/docker-registry';

  test('is there without a row, gets secrets of its own, gives them back, and stays', async () => {
    expect((await rig.admin('GET', path)).json).toMatchObject({ built_in: true, secrets: [], created_at: null });
    const configured = bearer('secret-of-the-environment');
    expect((await deliver('docker-registry', fresh(), configured)).status).toBe(202);
    expect((await put('docker-registry', { kind: 'docker-registry', secrets: [SECRET] })).status).toBe(201);
    expect((await deliver('docker-registry', fresh(), configured)).status).toBe(401);
    expect((await deliver('docker-registry', fresh(), bearer(SECRET))).status).toBe(202);
    expect((await rig.admin('DELETE', path)).status).toBe(409);
    expect((await put('docker-registry', { kind: 'docker-registry' })).status).toBe(200);
    expect((await deliver('docker-registry', fresh(), configured)).status).toBe(202);
  });

  test('a row of which a process does not know yet counts at its first delivery', async () => {
    await put('docker-registry', { kind: 'docker-registry', secrets: [SECRET] });
    const environment = { FLEETWAVE_SECRETS_KEY: key, FLEETWAVE_WEBHOOK_SECRET: 'secret-of-the-environment' };
    for (const [secret, status] of [
      ['secret-of-the-environment', 401],
      [SECRET, 202],
    ] as const) {
      const other = await startIntake(rig.database.pool, environment);
      const reply = await other.deliver(fresh(), { ...json, ...bearer(secret) });
      await other.close();
      expect(reply.status).toBe(status);
    }
    await put('docker-registry', { kind: 'docker-registry' });
  });
});

describe('kept deliveries', () => {
  async function started(headers: Record<string, string> = {}, query = ''): Promise<any> {
    await put('hub', { kind: 'dockerhub', secrets: [SECRET] });
    const reply = await deliver(`hub${query}`, fresh(), { ...bearer(SECRET), ...headers });
    expect(reply.status).toBe(202);
    const list = await rig.admin('GET', '/api/v1/webhook-deliveries?source=hub');
    return list.json.webhook_deliveries[0];
  }

  test('show what came without what proved it', async () => {
    const headers = {
      cookie: 'session=1',
      'x-hub-signature': 'sha1=abc',
      'x-my-header': `with ${SECRET} inside`,
      'x-plain': 'plain',
    };
    const { id } = await started(headers, `?secret=${SECRET}&from=ci`);
    const { json: one, text } = await rig.admin('GET', `/api/v1/webhook-deliveries/${id}`);
    expect(one).toMatchObject({
      ...{
        source: 'hub',
        kind: 'dockerhub',
        outcome: 'started',
        times_received: 1,
        method: 'POST',
        body_is_whole: true,
      },
      headers: {
        authorization: '[redacted]',
        cookie: '[redacted]',
        'x-hub-signature': '[redacted]',
        'x-my-header': '[redacted]',
        'x-plain': 'plain',
        'content-type': 'application/json',
      },
      query: { secret: '[redacted]', from: 'ci' },
    });
    expect(JSON.parse(one.body).repository.repo_name).toBe('redis');
    expect(text).not.toContain(SECRET);
    expect((await rig.admin('GET', `/api/v1/webhook-deliveries/${randomUUID()}`)).status).toBe(404);
  });

  test('are listed by source and outcome, newest first, in pages', async () => {
    await put('hub', { kind: 'dockerhub', secrets: [SECRET] });
    for (let count = 0; count < 3; count += 1) await deliver('hub', fresh(), bearer(SECRET));
    await deliver('hub', dockerHubBody('unwatched', '1'), bearer(SECRET));
    const get = async (query: string) => (await rig.admin('GET', `/api/v1/webhook-deliveries?${query}`)).json;
    const first = await get('source=hub&limit=3');
    expect(first.webhook_deliveries.map((one: any) => one.outcome)).toEqual([
      'no_matching_policy',
      'started',
      'started',
    ]);
    const rest = await get(`source=hub&limit=3&cursor=${first.next_cursor}`);
    expect([rest.webhook_deliveries.length, rest.next_cursor]).toEqual([1, null]);
    expect((await get('outcome=no_matching_policy')).webhook_deliveries[0].reason).toContain('No enabled policy');
    expect((await get('source=nobody')).status).toBe(404);
    expect((await rig.admin('GET', '/api/v1/webhook-deliveries?outcome=lost')).status).toBe(422);
  });

  test('are judged again by a replay: what started a rollout is a duplicate, what found no policy may find one', async () => {
    const replay = (id: string) => rig.admin('POST', `/api/v1/webhook-deliveries/${id}/replay`);
    const { id } = await started();
    expect((await replay(id)).json).toMatchObject({ outcome: 'duplicate' });
    await deliver('hub', dockerHubBody('later', '1'), bearer(SECRET));
    const [found] = (await rig.admin('GET', '/api/v1/webhook-deliveries?outcome=no_matching_policy')).json
      .webhook_deliveries;
    expect((await replay(found.id)).json.outcome).toBe('no_matching_policy');
    await addPolicy(rig.database.pool, 'later:*');
    expect((await replay(found.id)).json.outcome).toBe('started');
    expect((await replay(found.id)).json.outcome).toBe('duplicate');
    expect((await rig.admin('GET', '/api/v1/webhook-deliveries')).json.webhook_deliveries).toHaveLength(2);
    const viewer = await rig.token('viewer');
    expect((await rig.call('POST', `/api/v1/webhook-deliveries/${id}/replay`, { token: viewer })).status).toBe(403);
  });

  test('cannot be replayed without a whole body or their source', async () => {
    const { id } = await started();
    const replay = () => rig.call('POST', `/api/v1/webhook-deliveries/${id}/replay`, { token: ADMIN_TOKEN });
    await rig.admin('DELETE', '/api/v1/webhook-sources/hub');
    expect([(await replay()).status, (await replay()).json.detail]).toEqual([
      409,
      expect.stringContaining('was deleted'),
    ]);
    await put('hub', { kind: 'distribution', secrets: [SECRET] });
    expect((await replay()).json.detail).toContain('was dockerhub');
    await rig.database.pool.query('truncate webhook_requests');
    expect((await replay()).json.detail).toContain('kept no more');
    await put('hub', { kind: 'dockerhub', secrets: [SECRET] });
    const long = JSON.stringify({ ...JSON.parse(fresh()), padding: 'x'.repeat(65 * 1024) });
    await deliver('hub', long, bearer(SECRET));
    const [newest] = (await rig.admin('GET', '/api/v1/webhook-deliveries')).json.webhook_deliveries;
    expect(newest.body_bytes).toBe(long.length);
    const whole = (await rig.admin('GET', `/api/v1/webhook-deliveries/${newest.id}`)).json;
    expect([whole.body.length, whole.body_is_whole]).toEqual([65_536, false]);
    expect((await rig.admin('POST', `/api/v1/webhook-deliveries/${newest.id}/replay`)).json.detail).toContain(
      'too many',
    );
  });

  test('one request with several pushes is kept once, and a repetition not at all', async () => {
    await put('registry', { kind: 'distribution', secrets: [SECRET] });
    const events = ['x', 'y'].flatMap((id) => JSON.parse(envelope({ id, tag: id, digest: digestOf('d') })).events);
    for (let times = 0; times < 3; times += 1) await deliver('registry', JSON.stringify({ events }), bearer(SECRET));
    const { rows } = await rig.database.pool.query('select times_received, request_id from webhook_deliveries');
    expect(rows.map((row) => row.times_received)).toEqual([3, 3]);
    expect(rows[0].request_id).toBe(rows[1].request_id);
    expect((await rig.database.pool.query('select from webhook_requests')).rowCount).toBe(1);
  });
});
