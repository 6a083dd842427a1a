import { afterEach, describe, expect, test } from '@jest/globals';
import type { ClientLimits, RegistryClient } from '../../../src/registry-client/client';
import { clientOf, closeClients, settingsOf } from './client-rig';
import { serve, type Handler, type LoopbackServer } from './loopback-server';
import { content, image, index, types } from './registry-content';

const opened: LoopbackServer[] = [];
const pushed = image({ architecture: 'amd64', os: 'linux' });
const multi = index([[pushed.manifest, { architecture: 'amd64', os: 'linux' }]]);
const known = { 'content-type': types.index, 'docker-content-digest': multi.digest };

const realNow = Date.now;
/** Puts the client's clock on: what it waits for, no test does. */
const later = (ms: number, before = Date.now) => (Date.now = () => before() + ms);

afterEach(async () => {
  Date.now = realNow;
  closeClients();
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

async function start(handler: Handler, limits: Partial<ClientLimits> = {}) {
  const server = await serve(handler);
  opened.push(server);
  const client: RegistryClient = clientOf([settingsOf(server.host)], { limits });
  return {
    server,
    client,
    resolve: (tag = '1', maxAgeMs?: number) =>
      client.resolveTag(`${server.host}/team/api`, tag, maxAgeMs === undefined ? {} : { maxAgeMs }),
    list: () => client.listTags(`${server.host}/team/api`),
  };
}

/** The headers for HEAD, then these bytes for GET. */
const answering =
  (headers: Record<string, string>, body: Buffer | string): Handler =>
  (request, response) =>
    void response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : body);
const refusing =
  (status: number, body: string, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);
const json = { 'content-type': 'application/json' };

describe('what a tag points to', () => {
  test('is told by one HEAD, and of an index by one GET more', async () => {
    const { server, resolve } = await start(answering(known, multi.bytes));
    expect(await resolve()).toEqual({
      ...{ kind: 'found', digest: multi.digest, mediaType: types.index, platforms: ['linux/amd64'] },
    });
    await resolve('2');
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'HEAD']);
  });

  test.each([
    ['is left out', { 'content-type': types.index }],
    ['is none', { 'content-type': types.index, 'docker-content-digest': 'latest' }],
    ['is too short', { 'content-type': types.index, 'docker-content-digest': 'sha256:abc' }],
    ['stands beside no type', { 'docker-content-digest': multi.digest }],
  ])('is hashed from the bytes where the digest %s', async (_, headers) => {
    const { server, resolve } = await start(answering(headers, multi.bytes));
    expect(await resolve()).toMatchObject({ kind: 'found', digest: multi.digest, mediaType: types.index });
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  test('is asked by GET where HEAD is not known', async () => {
    const { resolve } = await start((request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(405).end();
      response.writeHead(200, known).end(multi.bytes);
    });
    expect(await resolve()).toMatchObject({ kind: 'found', digest: multi.digest });
  });

  test('is not known where the bytes are not those of the digest', async () => {
    for (const headers of [known, { 'docker-content-digest': multi.digest }] as Record<string, string>[]) {
      const { resolve } = await start(answering(headers, pushed.manifest.bytes));
      expect(await resolve()).toMatchObject({ kind: 'unknown', reason: 'untrusted' });
    }
  });

  test.each([
    ['a page', { 'content-type': 'text/html' }, '<html>Log in</html>'],
    ['JSON of something', json, '{"hello": "world"}'],
    ['an empty body', json, ''],
    ['a manifest of the first schema', json, '{"schemaVersion": 1, "name": "team/api", "tag": "1", "fsLayers": []}'],
  ])('is not known from %s', async (_, headers, body) => {
    const { resolve } = await start(answering(headers, body));
    expect(await resolve()).toMatchObject({ kind: 'unknown', reason: 'unclear' });
  });

  test('is known where its platforms cannot be had', async () => {
    const { resolve } = await start((request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(200, known).end();
      response.writeHead(429, { 'retry-after': '60' }).end();
    });
    const first = await resolve();
    expect(first).toMatchObject({ kind: 'found', digest: multi.digest, platforms: null });
    expect(first).toHaveProperty('platformsUnknown', expect.stringContaining('429'));
  });
});

describe('a 404', () => {
  test.each([
    ['MANIFEST_UNKNOWN', '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'],
    ['NAME_UNKNOWN', '{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}'],
    ['NOT_FOUND, as Harbor has it', '{"errors": [{"code": "NOT_FOUND", "message": "artifact not found"}]}'],
  ])("of the registry's own is absence: %s", async (_, body) => {
    const { resolve, list } = await start(refusing(404, body, json));
    expect([await resolve(), await list()]).toEqual([{ kind: 'absent' }, { kind: 'absent' }]);
  });

  test.each([
    ['a page of a proxy', '<html><h1>404 Not Found</h1></html>'],
    ['nothing', ''],
    ['JSON of another server', '{"error": "not found"}'],
    ['another refusal', '{"errors": [{"code": "NAME_INVALID"}]}'],
    ['one refusal among others', '{"errors": [{"code": "MANIFEST_UNKNOWN"}, {"code": "DENIED"}]}'],
    ['no refusal', '{"errors": []}'],
  ])('in other words says nothing: %s', async (_, body) => {
    const { resolve, list } = await start(refusing(404, body));
    for (const answer of [await resolve(), await list()])
      expect(answer).toMatchObject({ kind: 'unknown', reason: 'unclear' });
  });

  test("with another status than 404 the registry's words are no absence", async () => {
    const { resolve } = await start(refusing(400, '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', json));
    expect(await resolve()).toMatchObject({ kind: 'unknown', reason: 'unclear', why: expect.stringContaining('400') });
  });
});

describe('an answer without an end', () => {
  test('is left', async () => {
    const handler: Handler = (request, response) => {
      response.writeHead(200, json);
      if (request.method === 'HEAD') return void response.end();
      const more = () => {
        while (!response.destroyed && response.write('a'.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    };
    const { resolve, list } = await start(handler);
    for (const answer of [await resolve(), await list()])
      expect(answer).toMatchObject({ reason: 'unclear', why: expect.stringContaining('more than') });
  });

  test.each<[string, Handler]>([
    ['no headers', () => undefined],
    ['no body', (_, response) => response.writeHead(200, json).flushHeaders()],
    ['a drip of headers', (request) => drip(request.socket, 'HTTP/1.1 200 OK\r\n', 'x-a: b\r\n')],
    ['a drip of body', (_, response) => drip(response, '{"tags": [', '"a",')],
  ])('is given up in time: %s', async (_, handler) => {
    const { list } = await start(handler, { requestMs: 300 });
    // Given up by the time of the whole: the drips go on for ever.
    expect(await list()).toMatchObject({ reason: 'unreachable', why: expect.stringContaining('in time') });
  });

  test('of headers is left', async () => {
    const { list } = await start(
      (_, response) => void response.writeHead(200, { 'x-long': 'a'.repeat(60_000) }).end('{}'),
    );
    expect(await list()).toMatchObject({ reason: 'unreachable', why: expect.stringContaining('HPE_HEADER_OVERFLOW') });
  });

  test('of pages ends at the last that is read, and says so', async () => {
    let page = 0;
    const { server, list } = await start(
      (_, response) => {
        page += 1;
        response.writeHead(200, { link: `</v2/team/api/tags/list?n=1&last=${page}>; rel="next"` });
        response.end(JSON.stringify({ tags: [`t${page}`, 'no tag', '../x'] }));
      },
      { list: { pages: 5, bytes: 1000 } },
    );
    expect(await list()).toEqual({ kind: 'found', tags: ['t1', 't2', 't3', 't4', 't5'], complete: false });
    expect(server.seen).toHaveLength(5);
  });

  test('of pages together is no longer than one may be', async () => {
    let page = 0;
    const { server, list } = await start(
      (_, response) => {
        page += 1;
        response
          .writeHead(200, { link: `<?last=${page}>; rel="next"` })
          .end(JSON.stringify({ tags: ['x'.repeat(100)] }));
      },
      { list: { pages: 100, bytes: 1000 } },
    );
    expect(await list()).toMatchObject({ kind: 'unknown', reason: 'unclear' });
    expect(server.seen.length).toBeLessThan(12);
  });

  test('of pages in a circle', async () => {
    const { server, list } = await start(refusing(200, '{"tags": ["a"]}', { link: '<?last=a>; rel="next"' }));
    expect(await list()).toMatchObject({ reason: 'unclear', why: expect.stringContaining('circle') });
    expect(server.seen).toHaveLength(2);
  });
});

describe('a registry that has had enough', () => {
  test.each([
    ['seconds', () => '600', 600],
    ['a date', () => new Date(Date.now() + 600_000).toUTCString(), 600],
    ['far too long', () => '99999999', 3600],
  ])('is left alone as long as it says, for every tag: %s', async (_, header, seconds) => {
    const { server, resolve, list } = await start(refusing(429, '', { 'retry-after': header() }));
    const first = await resolve();
    expect(first).toMatchObject({ kind: 'unknown', reason: 'limited', retryAfterSeconds: expect.any(Number) });
    for (const answer of [first, await resolve(), await resolve('2'), await list()]) {
      const said = (answer as { retryAfterSeconds: number }).retryAfterSeconds;
      // Up to a tenth of jitter, less what has passed.
      expect([answer.kind, said >= seconds - 60, said <= seconds * 1.1 + 1]).toEqual(['unknown', true, true]);
    }
    expect(server.seen).toHaveLength(1);
  });

  test('or fails is asked again after a while, and each failure more makes it longer', async () => {
    const { server, resolve } = await start(refusing(503, 'down'), { firstWaitMs: 60_000 });
    expect(await resolve()).toMatchObject({ kind: 'unknown', reason: 'failing' });
    for (let tries = 0; tries < 5; tries += 1)
      expect(await resolve(String(tries))).toMatchObject({ reason: 'failing' });
    expect(server.seen).toHaveLength(1);
    later(70_000);
    await resolve();
    expect(server.seen).toHaveLength(2);
    later(50_000);
    await resolve();
    expect(server.seen).toHaveLength(2);
  });

  test('and is well again is asked as before', async () => {
    let isDown = true;
    const { resolve } = await start((request, response) => {
      if (isDown) response.destroy();
      else answering(known, multi.bytes)(request, response);
    });
    expect(await resolve()).toMatchObject({ reason: 'unreachable', why: expect.stringContaining('ECONNRESET') });
    isDown = false;
    later(1000);
    expect(await resolve()).toMatchObject({ kind: 'found' });
    expect(await resolve('2')).toMatchObject({ kind: 'found' });
  });
});

describe('a registry that is asked much', () => {
  test('is asked four things at once, and one thing once', async () => {
    let now = 0;
    let most = 0;
    const { server, resolve } = await start((request, response) => {
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
        answering(known, multi.bytes)(request, response);
      }, 300);
    });
    const tags = Array.from({ length: 24 }, (_, number) => String(number % 12));
    const answers = await Promise.all(tags.map((tag) => resolve(tag)));
    expect(answers.every(({ kind }) => kind === 'found')).toBe(true);
    expect(most).toBe(4);
    expect(server.seen.filter(({ method }) => method === 'HEAD')).toHaveLength(12);
  });

  test('answers are kept for a short time', async () => {
    const { server, resolve } = await start(answering(known, multi.bytes), { keptMs: 60_000 });
    await resolve();
    await resolve();
    expect(server.seen).toHaveLength(2);
    later(61_000);
    await resolve();
    expect(server.seen).toHaveLength(3);
  });
});

test('an answer that is compressed though nobody asked is not unpacked', async () => {
  const { list } = await start(refusing(200, 'x', { 'content-encoding': 'gzip' }));
  expect(await list()).toMatchObject({ kind: 'unknown', reason: 'unclear' });
});

test('a chart in the form of an image runs on nothing', async () => {
  const config = content('application/vnd.cncf.helm.config.v1+json', {});
  const chart = content(types.oci, {
    ...{ schemaVersion: 2, layers: [], config: { mediaType: config.mediaType, digest: config.digest, size: 2 } },
  });
  const headers = { 'content-type': types.oci, 'docker-content-digest': chart.digest };
  const { resolve } = await start(answering(headers, chart.bytes));
  expect(await resolve()).toMatchObject({ kind: 'found', platforms: [], sizeBytes: 2 });
});

/** One piece after another, each in time by itself. */
function drip(to: { write(text: string): boolean; destroyed: boolean }, first: string, piece: string): void {
  to.write(first);
  const timer = setInterval(() => {
    if (to.destroyed) clearInterval(timer);
    else to.write(piece);
  }, 50);
}
