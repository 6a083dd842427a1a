import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { putRegistry, readRegistry, recordRegistryHealth } from '../../src/db/registries';
import { createLogger } from '../../src/log';
import { createRegistryClient, type RegistryHealth } from '../../src/registry-client/client';
import { recordHealth } from '../../src/registry-client/health-recorder';
import { storedRegistries } from '../../src/registry-client/stored-registries';
import { startApiRig, type ApiRig } from './api-rig';

const key = randomBytes(32).toString('base64');
const CREDENTIALS = { username: 'the-name', password: 'the-password' };
let rig: ApiRig;
beforeAll(async () => {
  rig = await startApiRig({ FLEETWAVE_SECRETS_KEY: key });
});
afterAll(() => rig.close());

const put = (host: string, body: object) => rig.admin('PUT', `/api/v1/registries/${encodeURIComponent(host)}`, body);
const get = (host: string) => rig.admin('GET', `/api/v1/registries/${encodeURIComponent(host)}`);

describe('a registry', () => {
  test('is made, shown without its credentials, replaced and deleted', async () => {
    const made = await put('registry.acme.io:5000', { credentials: CREDENTIALS, token_realms: ['auth.acme.io'] });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      ...{ host: 'registry.acme.io:5000', url: 'https://registry.acme.io:5000', insecure: false, reconcile: true },
      credentials: { kind: 'password', fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/) },
      ...{ token_realms: ['auth.acme.io'], last_answer: null, updated_by: 'admin' },
    });
    const shown = await get('registry.acme.io:5000');
    const nothingFound = { last_round: null, pending: { count: 0, pushes: [] }, last_missed: [] };
    expect(shown.json).toEqual({ ...made.json, ...nothingFound });
    const replaced = await put('registry.acme.io:5000', { credentials: { token: 'the-token' }, reconcile: false });
    expect([replaced.status, replaced.json.credentials.kind, replaced.json.reconcile]).toEqual([200, 'token', false]);
    expect(replaced.json.token_realms).toEqual([]);
    const open = await put('registry.acme.io:5000', {});
    expect(open.json.credentials).toBeNull();
    for (const { text } of [made, shown, replaced]) expect(text).not.toMatch(/the-name|the-password|the-token/);
    expect((await rig.admin('DELETE', '/api/v1/registries/registry.acme.io:5000')).status).toBe(204);
    expect((await rig.admin('DELETE', '/api/v1/registries/registry.acme.io:5000')).status).toBe(404);
    expect((await get('registry.acme.io:5000')).status).toBe(404);
  });

  test('has the name of references, whatever it is called by', async () => {
    expect((await put('index.docker.io', {})).json).toMatchObject({
      host: 'docker.io',
      url: 'https://registry-1.docker.io',
    });
    expect((await put('GHCR.io', {})).json.host).toBe('ghcr.io');
    expect((await put('[::1]:5000', { insecure: true })).json.url).toBe('http://[::1]:5000');
    const first = await rig.admin('GET', '/api/v1/registries?limit=2');
    expect(first.json.registries.map(({ host }: any) => host)).toEqual(['[::1]:5000', 'docker.io']);
    const rest = await rig.admin('GET', `/api/v1/registries?cursor=${first.json.next_cursor}`);
    expect([rest.json.registries.map(({ host }: any) => host), rest.json.next_cursor]).toEqual([['ghcr.io'], null]);
  });

  test('keeps its credentials encrypted, for itself alone', async () => {
    await put('sealed.acme.io', { credentials: CREDENTIALS });
    const { version: _, ...row } = (await readRegistry(rig.database.pool, 'sealed.acme.io'))!;
    for (const part of Object.values(CREDENTIALS)) expect(row.credentials!.includes(part)).toBe(false);
    const find = storedRegistries(rig.database.pool, key);
    expect(await find('sealed.acme.io')).toMatchObject({ credentials: CREDENTIALS });
    await putRegistry(rig.database.pool, { ...row, host: 'stolen.acme.io' });
    await expect(find('stolen.acme.io')).rejects.toThrow('set the secret anew');
    for (const other of [undefined, randomBytes(32).toString('base64')])
      await expect(storedRegistries(rig.database.pool, other)('sealed.acme.io')).rejects.toThrow(
        'FLEETWAVE_SECRETS_KEY',
      );
    const keyless = createRegistryClient({ findRegistry: storedRegistries(rig.database.pool, undefined) });
    expect(await keyless.resolveTag('sealed.acme.io/a/b', '1')).toMatchObject({ kind: 'unknown', reason: 'unusable' });
  });

  test.each<[string, string, object, string]>([
    ['a name without a dot', 'registry', {}, 'params.host'],
    ['a name with a path', 'registry.acme.io/a', {}, 'params.host'],
    ['a name with a tag', 'registry.acme.io:x', {}, 'params.host'],
    ['an unknown field', 'a.io', { colour: 'red' }, 'colour'],
    ['insecure beyond loopback', 'a.io', { insecure: true }, 'insecure'],
    ['insecure at an address beyond loopback', 'localhost', { insecure: true, url: 'http://10.0.0.1' }, 'insecure'],
    ['plain http without saying so', 'localhost:5000', { url: 'http://localhost:5000' }, 'url'],
    ['an address with a password', 'a.io', { url: 'https://x:y@a.io' }, 'url'],
    ['an address with a query', 'a.io', { url: 'https://a.io/?x=1' }, 'url'],
    ['an address of another scheme', 'a.io', { url: 'file:///etc' }, 'url'],
    [
      'a name with a colon',
      'a.io',
      { credentials: { username: 'a:b', password: 'the-password' } },
      'credentials.username',
    ],
    ['a password alone', 'a.io', { credentials: { password: 'the-password' } }, 'credentials.username'],
    ['a token that breaks a header', 'a.io', { credentials: { token: 'the\r\npassword' } }, 'credentials.token'],
    ['a realm with a path', 'a.io', { token_realms: ['auth.a.io/token'] }, 'token_realms.0'],
    ['a realm with the usual port', 'a.io', { token_realms: ['auth.a.io:443'] }, 'token_realms.0'],
  ])('422 naming the field: %s', async (_, host, body, path) => {
    const reply = await put(host, body);
    expect([reply.status, reply.json.errors?.[0]?.path]).toEqual([422, path]);
    expect(reply.text).not.toContain('the-password');
  });

  test('plain http beyond loopback is refused with the remedy', async () => {
    const refused = await put('registry:5000', { insecure: true });
    expect([refused.status, refused.json.detail]).toEqual([422, expect.stringContaining('loopback')]);
    expect(refused.json.detail).toMatch(/TLS in front .* "url"/);
  });

  test('without a key to encrypt them, credentials are refused with the remedy', async () => {
    const saved = rig.deps.config.FLEETWAVE_SECRETS_KEY!;
    delete rig.deps.config.FLEETWAVE_SECRETS_KEY;
    const refused = await put('keyless.acme.io', { credentials: CREDENTIALS });
    const open = await put('keyless.acme.io', {});
    rig.deps.config.FLEETWAVE_SECRETS_KEY = saved;
    expect([refused.status, refused.json.errors[0].path]).toEqual([422, 'credentials']);
    expect([refused.json.detail, open.status]).toEqual([expect.stringContaining('FLEETWAVE_SECRETS_KEY'), 201]);
  });

  test('only an admin writes, a viewer reads', async () => {
    const viewer = await rig.token('viewer');
    const operator = await rig.token('operator');
    await put('roles.acme.io', {});
    const path = '/api/v1/registries/roles.acme.io';
    expect((await rig.call('GET', path, { token: viewer })).status).toBe(200);
    expect((await rig.call('GET', '/api/v1/registries', { token: viewer })).status).toBe(200);
    for (const token of [viewer, operator]) {
      expect((await rig.call('PUT', path, { token, body: {} })).status).toBe(403);
      expect((await rig.call('DELETE', path, { token })).status).toBe(403);
    }
    expect((await rig.call('GET', path)).status).toBe(401);
  });
});

describe('how a registry answered last', () => {
  let server: Server;
  let status = 200;
  beforeAll(async () => {
    server = createServer((_, response) => {
      response.writeHead(status, { 'ratelimit-remaining': '76;w=21600' }).end('{"tags": ["7"]}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('is shown: reachable or not, since when, why, and what is left of its limit', async () => {
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await put(host, { insecure: true });
    const client = createRegistryClient({
      findRegistry: storedRegistries(rig.database.pool, key),
      onHealth: recordHealth(rig.database.pool, createLogger({ level: 'silent', component: 'test' })),
      limits: { firstWaitMs: 1 },
    });
    const last = async (reachable: boolean) => {
      for (;;) {
        const { last_answer } = (await get(host)).json;
        if (last_answer?.reachable === reachable) return last_answer;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    expect(await client.listTags(`${host}/team/api`)).toMatchObject({ kind: 'found', tags: ['7'] });
    expect(await last(true)).toMatchObject({ why: null, rate_limit_remaining: 76 });
    status = 500;
    expect(await client.listTags(`${host}/team/api`)).toMatchObject({ kind: 'unknown', reason: 'failing' });
    const failing = await last(false);
    expect(failing).toMatchObject({ why: expect.stringContaining('500'), since: failing.at });
    client.close();
    await put(host, { insecure: true });
    expect((await get(host)).json.last_answer).toBeNull();
  });

  test('counts from its change, and nothing older or of other settings is written', async () => {
    const { pool } = rig.database;
    await put('health.acme.io', {});
    const { version } = (await readRegistry(pool, 'health.acme.io'))!;
    const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
    const base: RegistryHealth = {
      ...{ host: 'health.acme.io', version, at: at(1), reachable: true, why: null },
      rateLimitRemaining: null,
    };
    const last = async () => (await get('health.acme.io')).json.last_answer;
    await recordRegistryHealth(pool, base);
    await recordRegistryHealth(pool, { ...base, at: at(5), why: 'refused' });
    expect(await last()).toMatchObject({ at: at(5).toISOString(), since: at(1).toISOString(), why: 'refused' });
    await recordRegistryHealth(pool, { ...base, at: at(7), reachable: false });
    await recordRegistryHealth(pool, { ...base, at: at(6) });
    await recordRegistryHealth(pool, { ...base, at: at(9), version: randomUUID() });
    await recordRegistryHealth(pool, { ...base, at: at(9), host: 'gone.acme.io' });
    expect(await last()).toMatchObject({ at: at(7).toISOString(), since: at(7).toISOString(), reachable: false });
  });
});
