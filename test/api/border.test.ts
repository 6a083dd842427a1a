import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { allRoutes, createApp } from '../../src/api/app';
import { isDatabaseAway } from '../../src/db/database-errors';
import { ADMIN_TOKEN, startApiRig, type ApiRig } from './api-rig';

let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig();
});
afterAll(() => rig.close());

const json = { 'content-type': 'application/json' };
const post = (raw: string | Buffer, headers: Record<string, string>) =>
  rig.call('POST', '/api/v1/devices', { raw, headers, token: ADMIN_TOKEN });

describe('problem documents', () => {
  test('hold what RFC 9457 says, the request id and every invalid field', async () => {
    const reply = await rig.admin('POST', '/api/v1/devices', { devices: [{ name: 1, colour: 'red' }], more: true });
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(reply.json).toEqual({
      type: 'urn:fleetwave:problem:invalid-input',
      title: 'Unprocessable Entity',
      status: 422,
      detail: expect.any(String),
      request_id: reply.headers.get('x-request-id'),
      errors: expect.arrayContaining([
        { path: 'devices.0.name', message: expect.any(String) },
        { path: 'devices.0.colour', message: 'unknown field' },
        { path: 'more', message: 'unknown field' },
      ]),
    });
  });

  test.each([
    ['malformed JSON', '{"devices": [', json, 400],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), json, 400],
    ['an empty body', '', json, 400],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['another charset', '{}', { 'content-type': 'application/json; charset=latin1' }, 415],
    ['an unknown encoding', '{}', { ...json, 'content-encoding': 'zstd' }, 415],
    ['gzip that is none', '{}', { ...json, 'content-encoding': 'gzip' }, 400],
    ['a body that is too large', `{"devices":[{"name":"${'x'.repeat(33 * 1024 * 1024)}"}]}`, json, 413],
    ['a list', '[]', json, 422],
    ['null', 'null', json, 422],
  ])('%s', async (_name, raw, headers, status) => {
    const reply = await post(raw, headers);
    expect([reply.status, reply.json.status]).toEqual([status, status]);
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  test('what is needed and absent is said to be needed', async () => {
    const missing = async (body: object) => (await rig.admin('POST', '/api/v1/image-policies', body)).json.errors;
    expect(await missing({})).toEqual([
      { path: 'image_pattern', message: 'is needed' },
      { path: 'update_strategy', message: 'is needed' },
    ]);
    const policy = { image_pattern: 'redis', update_strategy: 'auto' };
    expect(await missing({ ...policy, batches: { start: 1, factor: 2 } })).toEqual([
      { path: 'batches.max', message: 'is needed' },
    ]);
    expect((await rig.call('GET', '/api/v1/rollouts/7', { token: ADMIN_TOKEN })).json.errors).toEqual([
      { path: 'params.id', message: "is not a rollout's id" },
    ]);
  });

  test('a parse error never quotes the body', async () => {
    const reply = await post('{"secret": hunter2}', json);
    expect(reply.text).not.toContain('hunter2');
  });

  test('unknown route 404, wrong method 405 with Allow, malformed escape 400', async () => {
    expect((await rig.admin('GET', '/api/v1/nothing')).status).toBe(404);
    const quay = await rig.call('POST', '/api/v1/webhooks/quay', { body: {} });
    expect(quay.json).toMatchObject({
      status: 404,
      detail: 'there is no source quay: an admin makes it with PUT /api/v1/webhook-sources/quay',
    });
    const wrong = await rig.admin('DELETE', '/api/v1/devices');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, GET, HEAD']);
    expect((await rig.admin('PUT', '/api/v1/image-policies')).status).toBe(405);
    expect((await rig.admin('GET', '/api/v1/devices/%ZZ')).status).toBe(400);
    expect((await rig.admin('GET', '/api/v1/devices/not-a-uuid')).json.errors[0].path).toBe('params.uuid');
  });

  test("the caller's request id is kept when it is harmless", async () => {
    const id = async (given: string) =>
      (await rig.call('GET', '/healthz', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await id('trace-42:a')).toBe('trace-42:a');
    expect(await id('a b')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await id('x'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a bug is a 500 that tells nothing of itself', async () => {
    const original = rig.database.pool.query;
    (rig.database.pool as any).query = () => Promise.reject(new Error('relation "secrets" is broken'));
    const reply = await rig.admin('GET', '/api/v1/devices');
    (rig.database.pool as any).query = original;
    expect(reply.status).toBe(500);
    expect(reply.text).not.toContain('secrets');
  });

  test('a database that is away is a 503 with Retry-After', async () => {
    const original = rig.database.pool.query;
    (rig.database.pool as any).query = () =>
      Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    const reply = await rig.admin('GET', '/api/v1/devices');
    const ready = await rig.call('GET', '/readyz');
    (rig.database.pool as any).query = original;
    expect([reply.status, reply.headers.get('retry-after'), reply.json.type]).toEqual([
      503,
      '5',
      'urn:fleetwave:problem:database-unavailable',
    ]);
    expect([ready.status, ready.json.checks.postgres]).toEqual([503, 'unreachable']);
  });

  test.each([
    [{ code: 'ECONNREFUSED' }, true],
    [{ errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }] }, true],
    [{ code: '57P01' }, true],
    [{ code: '53100' }, true],
    [{ code: '53200' }, true],
    [{ code: '58030' }, true],
    [{ code: '08006' }, true],
    [new Error('Connection terminated unexpectedly'), true],
    [{ code: '23505' }, false],
    [new Error('something else'), false],
    [null, false],
  ])('%j is an absent database: %s', (error, away) => {
    expect(isDatabaseAway(error)).toBe(away);
  });
});

describe('roles', () => {
  const id = randomUUID();
  const cases = [
    ['GET', '/api/v1/devices', 'viewer'],
    ['GET', '/api/v1/image-policies', 'viewer'],
    ['GET', '/api/v1/rollouts/active', 'viewer'],
    ['GET', '/api/v1/holds', 'viewer'],
    ['POST', `/api/v1/rollouts/${id}/pause`, 'operator'],
    ['POST', '/api/v1/images/trigger-update', 'operator'],
    ['POST', '/api/v1/devices', 'admin'],
    ['PUT', `/api/v1/devices/${id}/target-state`, 'admin'],
    ['DELETE', `/api/v1/holds/${id}`, 'admin'],
    ['GET', '/api/v1/tokens', 'admin'],
  ] as const;
  const ranks = ['viewer', 'operator', 'admin'] as const;

  test.each(cases)('%s %s needs %s', async (method, path, needed) => {
    expect((await rig.call(method, path)).status).toBe(401);
    expect((await rig.call(method, path, { token: 'wrong-token-wrong-token' })).status).toBe(401);
    for (const role of ranks) {
      const { status } = await rig.call(method, path, { token: await rig.token(role) });
      if (ranks.indexOf(role) < ranks.indexOf(needed)) expect(status).toBe(403);
      else expect([401, 403]).not.toContain(status);
    }
  });

  test('every route that is not public refuses a stranger before it looks at the request', async () => {
    const { paths } = (await rig.call('GET', '/openapi.json')).json;
    const refused: string[] = [];
    for (const [path, methods] of Object.entries<any>(paths)) {
      for (const [method, operation] of Object.entries<any>(methods)) {
        if (operation.security.length === 0) continue;
        const reply = await rig.call(
          method.toUpperCase(),
          path.replace(/\{[^}]+\}/g, 'x'),
          method === 'get' ? {} : { raw: '{', headers: json },
        );
        expect([method, path, reply.status]).toEqual([method, path, 401]);
        refused.push(path);
      }
    }
    expect(refused.length).toBeGreaterThan(35);
  });

  test('tokens are shown once, stored hashed, listed without secret, and revoked at once', async () => {
    const made = (await rig.admin('POST', '/api/v1/tokens', { name: 'ci', role: 'viewer' })).json;
    expect(made.token).toMatch(/^fw_[\w-]{43}$/);
    const { rows } = await rig.database.pool.query('select * from api_tokens where id = $1', [made.id]);
    expect(rows[0].token_hash.equals(createHash('sha256').update(made.token).digest())).toBe(true);
    expect((await rig.admin('GET', '/api/v1/tokens?limit=500')).text).not.toContain(made.token);
    expect((await rig.call('GET', '/api/v1/devices', { token: made.token })).status).toBe(200);
    expect((await rig.admin('DELETE', `/api/v1/tokens/${made.id}`)).status).toBe(204);
    expect((await rig.call('GET', '/api/v1/devices', { token: made.token })).status).toBe(401);
    expect((await rig.admin('DELETE', `/api/v1/tokens/${made.id}`)).status).toBe(404);
    expect((await rig.admin('POST', '/api/v1/tokens', { name: 'x', role: 'root' })).status).toBe(422);
  });
});

describe('documentation', () => {
  test('every registered route is in the document, and nothing else', async () => {
    const registered = (createApp(rig.deps) as any).router.stack
      .filter((layer: any) => layer.route)
      .flatMap((layer: any) =>
        Object.keys(layer.route.methods).map((method) => `${method} ${layer.route.path.replace(/:(\w+)/g, '{$1}')}`),
      );
    const { json: document } = await rig.call('GET', '/openapi.json');
    const documented = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(documented.sort()).toEqual(registered.sort());
    expect(allRoutes(rig.deps)).toHaveLength(registered.length);
    expect(document.openapi).toBe('3.1.0');
    const ids = Object.values<any>(document.paths).flatMap((methods) =>
      Object.values<any>(methods).map((operation) => operation.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect((await rig.call('GET', '/api/v1/openapi.json')).json).toEqual(document);
  });

  test('the page and all it loads come from here', async () => {
    const page = await rig.call('GET', '/docs');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
    expect(assets).toHaveLength(4);
    for (const asset of assets) expect([asset, (await rig.call('GET', asset)).status]).toEqual([asset, 200]);
    for (const other of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/__proto__'])
      expect((await rig.call('GET', other)).status).toBe(404);
  });
});

describe('operations', () => {
  test('readyz is green, degraded without Temporal, red while stopping', async () => {
    expect((await rig.call('GET', '/readyz')).json).toEqual({
      status: 'ready',
      checks: { postgres: 'ok', schema: 'ok', temporal: 'ok', secrets: 'ok' },
      warnings: [],
    });
    rig.temporal.reachable = false;
    const degraded = await rig.call('GET', '/readyz');
    expect([degraded.status, degraded.json.status]).toEqual([200, 'degraded']);
    rig.temporal.reachable = true;
    rig.deps.readiness.stopping = true;
    const stopping = await rig.call('GET', '/readyz');
    rig.deps.readiness.stopping = false;
    expect([stopping.status, stopping.json.status]).toEqual([503, 'stopping']);
  });

  test('metrics count polls, reports and requests by route, never by uuid', async () => {
    const { uuid, key } = await rig.device();
    await rig.call('GET', `/api/v1/device/${uuid}/state`, { key });
    await rig.call('PATCH', '/api/v1/device/state', { key, body: { [uuid]: {} } });
    const { text } = await rig.call('GET', '/metrics');
    expect(text).toMatch(/fleetwave_agent_polls_total\{status="200"\} 1/);
    expect(text).toMatch(/fleetwave_agent_reports_total\{kind="state"\} 1/);
    expect(text).toMatch(/fleetwave_outbox_rollouts 0/);
    expect(text).toContain('route="/api/v1/device/:uuid/state",status="200"');
    expect(text).toContain('process_cpu_user_seconds_total');
    expect(text).not.toContain(uuid);
  });

  test('a request cut short harms nobody', async () => {
    const { port } = new URL(rig.url);
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(
          `POST /api/v1/devices HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"dev`,
          () => {
            socket.destroy();
            resolve();
          },
        );
      });
      socket.on('error', reject);
    });
    expect((await rig.call('GET', '/healthz')).json).toEqual({ status: 'alive' });
  });
});
