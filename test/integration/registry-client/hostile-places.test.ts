import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { RegistrySettings } from '../../../src/registry-client/settings';
import { makeCertificate } from './certificate';
import { clientOf, closeClients, namedNetwork, settingsOf } from './client-rig';
import { serve, type Handler, type LoopbackServer } from './loopback-server';
import { content, image, types } from './registry-content';

const USER = { username: 'reader', password: 'a-long-password' };
const BASIC = `Basic ${Buffer.from('reader:a-long-password').toString('base64')}`;
const tls = makeCertificate(['DNS:registry.test', 'DNS:storage.test', 'DNS:inside.test', 'DNS:auth.test']);
const pushed = image({ architecture: 'arm64', os: 'linux' });

/** What no request may reach; 127.0.0.2 is another machine. */
let foreign: LoopbackServer;
const opened: LoopbackServer[] = [];

beforeAll(async () => {
  foreign = await serve((_, response) => void response.writeHead(200, { 'content-type': types.oci }).end('{}'), {
    address: '127.0.0.2',
  });
});
afterEach(async () => {
  closeClients();
  await Promise.all(opened.splice(0).map((server) => server.close()));
  foreign.seen.length = 0;
});
afterAll(() => foreign.close());

async function registry(handler: Handler, options: Parameters<typeof serve>[1] = {}): Promise<LoopbackServer> {
  const server = await serve(handler, options);
  opened.push(server);
  return server;
}

function ask(server: LoopbackServer, given: Partial<RegistrySettings> = {}) {
  return clientOf([settingsOf(server.host, { credentials: USER, ...given })]).resolveTag(
    `${server.host}/team/api`,
    '1',
  );
}

const manifestHeaders = { 'content-type': types.oci, 'docker-content-digest': pushed.manifest.digest };

describe('a redirect of a manifest', () => {
  test.each([
    ['to another machine', () => `${foreign.url}/v2/team/api/manifests/1`],
    ['to another port', () => `http://127.0.0.1:${foreign.port}/`],
    ['to another scheme', () => `https://127.0.0.1:1/`],
    ['to no address', () => 'data:text/plain,x'],
    ['with a name and a password', () => `http://a:b@127.0.0.2:${foreign.port}/`],
  ])('%s is not followed', async (_, location) => {
    const server = await registry((__, response) => void response.writeHead(307, { location: location() }).end());
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'untrusted' });
    expect([server.seen.length, foreign.seen]).toEqual([1, []]);
  });

  test('within the registry is followed three times, with the credentials', async () => {
    const server = await registry((request, response) => {
      const step = Number(/step=(\d)/.exec(request.url ?? '')?.[1] ?? 0);
      if (step < 3) return void response.writeHead(302, { location: `?step=${step + 1}` }).end();
      response.writeHead(200, manifestHeaders).end();
    });
    const client = clientOf([settingsOf(server.host, { credentials: USER })]);
    const answer = await client.resolveTag(`${server.host}/team/api`, '1', { platforms: false });
    expect(answer).toMatchObject({ kind: 'found', digest: pushed.manifest.digest, platforms: null });
    expect(server.seen.map(({ method, authorization }) => [method, authorization])).toEqual(
      Array(4).fill(['HEAD', BASIC]),
    );
  });

  test('in a circle ends', async () => {
    const server = await registry((request, response) => void response.writeHead(301, { location: request.url }).end());
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'unclear' });
    expect(server.seen).toHaveLength(4);
  });
});

describe('a redirect of a blob', () => {
  const network = (names: Record<string, string>) =>
    namedNetwork({ 'registry.test': '127.0.0.1', ...names }, tls.cert, '127.0.0.2');

  async function askOverTls(location: () => string, names: Record<string, string>) {
    const server = await registry(
      (request, response) => {
        if (request.url?.includes('/blobs/') === true)
          return void response.writeHead(307, { location: location() }).end();
        response.writeHead(200, manifestHeaders).end(request.method === 'HEAD' ? undefined : pushed.manifest.bytes);
      },
      { tls },
    );
    const host = `registry.test:${server.port}`;
    const settings = settingsOf(host, { insecure: false, credentials: USER });
    const answer = await clientOf([settings], { network: network(names) }).resolveTag(`${host}/team/api`, '1');
    return { answer, server };
  }

  test('to a storage on the internet is followed without the credentials', async () => {
    const storage = await registry((_, response) => void response.end(pushed.config.bytes), {
      tls,
      address: '127.0.0.2',
    });
    const location = () => `https://storage.test:${storage.port}/blob?signature=x`;
    const { answer, server } = await askOverTls(location, { 'storage.test': '127.0.0.2' });
    expect(answer).toMatchObject({ kind: 'found', platforms: ['linux/arm64'] });
    expect(storage.seen).toEqual([{ method: 'GET', url: '/blob?signature=x', authorization: undefined }]);
    expect(server.seen.every(({ authorization }) => authorization === BASIC)).toBe(true);
  });

  test.each([
    ['to a name of a private address', (port: number) => `https://inside.test:${port}/`],
    ['to a loopback address', (port: number) => `https://127.0.0.1:${port}/`],
    ['to a loopback address in other words', (port: number) => `https://2130706433:${port}/`],
    ['to IPv6 loopback', (port: number) => `https://[::1]:${port}/`],
    ['to a mapped loopback address', (port: number) => `https://[::ffff:127.0.0.1]:${port}/`],
    ['to the address of cloud metadata', () => 'https://169.254.169.254/latest/meta-data'],
    ['without https', (port: number) => `http://storage.test:${port}/`],
  ])('%s is not followed; what the tag points to is known all the same', async (_, location) => {
    const inside = await registry((__, response) => void response.end(pushed.config.bytes), { tls });
    const names = { 'inside.test': '127.0.0.1', 'storage.test': '127.0.0.2' };
    const { answer } = await askOverTls(() => location(inside.port), names);
    expect(answer).toMatchObject({ kind: 'found', digest: pushed.manifest.digest, platforms: null });
    expect(answer).toHaveProperty('platformsUnknown', expect.stringMatching(/without https|loopback|private/));
    expect(inside.seen).toEqual([]);
  });

  test('that never came back to the registry has no credentials either', async () => {
    const blob = '/v2/team/api/blobs/again';
    const server: { port?: number } = {};
    const storage = await registry(
      (_, response) => void response.writeHead(307, { location: `https://registry.test:${server.port}${blob}` }).end(),
      { tls, address: '127.0.0.2' },
    );
    const asked = await registry(
      (request, response) => {
        const location = `https://storage.test:${storage.port}/`;
        if (request.url === blob) return void response.end(pushed.config.bytes);
        if (request.url?.includes('/blobs/') === true) return void response.writeHead(307, { location }).end();
        response.writeHead(200, manifestHeaders).end(request.method === 'HEAD' ? undefined : pushed.manifest.bytes);
      },
      { tls, address: '127.0.0.2' },
    );
    server.port = asked.port;
    const host = `registry.test:${asked.port}`;
    const names = { 'registry.test': '127.0.0.2', 'storage.test': '127.0.0.2' };
    const settings = settingsOf(host, { insecure: false, credentials: USER });
    const client = clientOf([settings], { network: namedNetwork(names, tls.cert, '127.0.0.2') });
    expect(await client.resolveTag(`${host}/team/api`, '1')).toMatchObject({ platforms: ['linux/arm64'] });
    expect(asked.seen.at(-1)).toEqual({ method: 'GET', url: blob, authorization: undefined });
  });

  test('of a registry whose certificate is not for its name says nothing', async () => {
    const server = await registry((_, response) => void response.writeHead(200, manifestHeaders).end(), { tls });
    const host = `other.test:${server.port}`;
    const settings = settingsOf(host, { insecure: false, credentials: USER });
    const client = clientOf([settings], { network: network({ 'other.test': '127.0.0.1' }) });
    const answer = await client.resolveTag(`${host}/team/api`, '1');
    expect(answer).toMatchObject({
      reason: 'unreachable',
      why: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
    expect(server.seen).toEqual([]);
  });
});

describe('a token realm', () => {
  const challenging =
    (realm: () => string): Handler =>
    (request, response) => {
      const isLetIn = request.headers.authorization === 'Bearer the-token';
      if (isLetIn && request.url?.includes('/blobs/') === true) return void response.end(pushed.config.bytes);
      if (isLetIn)
        return void response
          .writeHead(200, manifestHeaders)
          .end(request.method === 'HEAD' ? undefined : pushed.manifest.bytes);
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm()}",service="s",scope="*"` }).end();
    };
  const giving: Handler = (_, response) => void response.end('{"access_token": "the-token"}');

  test.each([
    ['at another machine', () => `${foreign.url}/token`],
    ['at a name for the same machine', () => `http://localhost:${foreign.port}/token`],
    ['with credentials of its own', () => `http://x:y@127.0.0.1:${foreign.port}/token`],
    ['that is no address', () => '/token'],
    ['of another scheme', () => 'file:///etc/passwd'],
  ])('%s gets neither a request nor credentials', async (_, realm) => {
    const server = await registry(challenging(realm));
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'untrusted' });
    expect(foreign.seen).toEqual([]);
  });

  test('that an operator has named is asked', async () => {
    const auth = await registry(giving, { address: '127.0.0.2' });
    const server = await registry(challenging(() => `${auth.url}/token?account=a`));
    expect(await ask(server, { tokenRealms: [auth.host] })).toMatchObject({ kind: 'found' });
    const url = '/token?account=a&service=s&scope=repository%3Ateam%2Fapi%3Apull';
    expect(auth.seen).toEqual([{ method: 'GET', url, authorization: BASIC }]);
  });

  test('that sends elsewhere is not followed', async () => {
    const auth = await registry((_, response) => void response.writeHead(307, { location: foreign.url }).end());
    const server = await registry(challenging(() => auth.url));
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'failing' });
    expect(foreign.seen).toEqual([]);
  });

  test('of a registry with https is asked over https only', async () => {
    const auth = await registry(giving);
    const server = await registry(
      challenging(() => `http://registry.test:${auth.port}/token`),
      { tls },
    );
    const host = `registry.test:${server.port}`;
    const network = namedNetwork({ 'registry.test': '127.0.0.1' }, tls.cert, '');
    const client = clientOf([settingsOf(host, { insecure: false, credentials: USER })], { network });
    expect(await client.resolveTag(`${host}/team/api`, '1')).toMatchObject({ reason: 'untrusted' });
    expect(auth.seen).toEqual([]);
  });

  test.each([
    ['breaks the header', '{"token": "a\\r\\nx-evil: 1"}'],
    ['is empty', '{"token": ""}'],
    ['is no text', '{"token": {"a": 1}}'],
    ['comes as a page', '<html>'],
    ['is endless', `{"token": "${'a'.repeat(100_000)}"}`],
  ])('whose token %s gives nothing', async (_, body) => {
    const auth = await registry((__, response) => void response.end(body));
    const server = await registry(challenging(() => auth.url));
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'unclear' });
  });

  test('is never asked by the holder of a token of their own', async () => {
    const auth = await registry(giving);
    const server = await registry(challenging(() => auth.url));
    expect(await ask(server, { credentials: { token: 'mine' } })).toMatchObject({ reason: 'refused' });
    expect([auth.seen, server.seen.length]).toEqual([[], 1]);
  });
});

describe('a further page of tags', () => {
  test.each([
    ['at another machine', () => `<${foreign.url}/v2/team/api/tags/list?last=a>; rel="next"`],
    ['without a scheme', () => `<//${foreign.host}/>; rel=next`],
    ['at no address', () => '<http://[>; rel="next"'],
  ])('%s is not asked for', async (_, link) => {
    const server = await registry(
      (__, response) => void response.writeHead(200, { link: link() }).end('{"tags": ["a"]}'),
    );
    const client = clientOf([settingsOf(server.host, { credentials: USER })]);
    expect(await client.listTags(`${server.host}/team/api`)).toMatchObject({ kind: 'unknown', reason: 'untrusted' });
    expect([server.seen.length, foreign.seen]).toEqual([1, []]);
  });
});

describe('a registry', () => {
  test('that is not configured is not asked, whoever names it', async () => {
    const client = clientOf([settingsOf('registry.test')]);
    const answers = [await client.resolveTag(`${foreign.host}/a/b`, '1'), await client.listTags(`${foreign.host}/a/b`)];
    for (const answer of answers) expect(answer).toMatchObject({ kind: 'unknown', reason: 'not_configured' });
    expect(foreign.seen).toEqual([]);
  });

  test('that is insecure is asked at a loopback address only, whatever its name says', async () => {
    const network = namedNetwork({ 'registry.localhost': '10.0.0.1' }, tls.cert, '');
    const client = clientOf([settingsOf('registry.localhost:5000')], { network });
    const answer = await client.resolveTag('registry.localhost:5000/team/api', '1');
    expect(answer).toMatchObject({ reason: 'untrusted', why: expect.stringContaining('no loopback address') });
  });

  test('another digest of the configuration than its bytes is not believed', async () => {
    const lie = content(types.config, { architecture: 'amd64', os: 'linux' });
    const server = await registry((request, response) => {
      if (request.url?.includes('/blobs/') === true) return void response.end(lie.bytes);
      response.writeHead(200, manifestHeaders).end(request.method === 'HEAD' ? undefined : pushed.manifest.bytes);
    });
    expect(await ask(server)).toMatchObject({ kind: 'unknown', reason: 'untrusted' });
  });
});
