import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHttpClient, type HttpClient } from '../../../src/agent/http-client';
import { createFleetClient } from '../../../src/agent/simulator/fleet-client';

describe.each([
  { of: 'an agent', create: createHttpClient },
  { of: 'a fleet', create: createFleetClient },
])('the client of $of', ({ create }) => {
  let server: Server;
  let client: HttpClient;
  afterEach(async () => {
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });

  async function answering(
    answer: (request: IncomingMessage) => string,
    base: (port: number) => string,
    host?: string,
  ) {
    server = createServer((request, response) => {
      response.setHeader('etag', '"one"').setHeader('retry-after', '7').end(answer(request));
    });
    await new Promise<void>((resolve) => server.listen(0, host ?? '127.0.0.1', resolve));
    client = create(base((server.address() as AddressInfo).port), 2);
  }

  it('asks under the path of its base, and tells all of the answer', async () => {
    await answering(
      ({ method, url, headers }) =>
        `${method ?? ''} ${url ?? ''} ${String(headers['x-one'])} ${headers.authorization ?? 'none'}`,
      (port) => `http://127.0.0.1:${port}/behind/a/proxy/`,
    );
    expect(await client.send({ method: 'GET', path: '/api?wait=1', headers: { 'x-one': '1' } })).toEqual({
      ...{ status: 200, etag: '"one"', retryAfterSeconds: 7 },
      body: 'GET /behind/a/proxy/api?wait=1 1 none',
    });
  });

  it("sends a proxy's credentials from the URL", async () => {
    await answering(
      ({ headers }) => headers.authorization ?? 'none',
      (port) => `http://me:p%40ss@127.0.0.1:${port}`,
    );
    const { body } = await client.send({ method: 'GET', path: '/', headers: {} });
    expect(body).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });

  it('reads an IPv6 address', async () => {
    await answering(
      ({ headers }) => headers.host ?? '',
      (port) => `http://[::1]:${port}`,
      '::1',
    );
    expect((await client.send({ method: 'GET', path: '/', headers: {} })).body).toMatch(/^\[::1\]:\d+$/);
  });

  it('rejects where the answer ends early', async () => {
    await answering(
      () => '',
      (port) => `http://127.0.0.1:${port}`,
    );
    server.removeAllListeners('request').on('request', (request: IncomingMessage, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('half', () => request.socket.destroy());
    });
    await expect(client.send({ method: 'GET', path: '/', headers: {} })).rejects.toThrow();
  });

  it('tells of an end that it makes itself', async () => {
    await answering(
      () => '',
      (port) => `http://127.0.0.1:${port}`,
    );
    server.removeAllListeners('request').on('request', () => {
      client.close();
    });
    await expect(client.send({ method: 'GET', path: '/', headers: {} })).rejects.toThrow();
  });

  it('sends a body with its length, and none without one', async () => {
    await answering(
      ({ method, headers }) =>
        `${method ?? ''} ${headers['content-length'] ?? 'none'} ${headers['transfer-encoding'] ?? 'none'}`,
      (port) => `http://127.0.0.1:${port}`,
    );
    const asked = (method: 'GET' | 'PATCH', body?: string) =>
      client.send({ method, path: '/', headers: {}, ...(body === undefined ? {} : { body }) });
    expect((await asked('PATCH', '{"a":"ü"}')).body).toBe('PATCH 10 none');
    expect((await asked('GET')).body).toBe('GET none none');
  });

  it('refuses a header that cannot be sent, and goes on', async () => {
    await answering(
      () => 'well',
      (port) => `http://127.0.0.1:${port}`,
    );
    const asked = (value: string) => client.send({ method: 'GET', path: '/', headers: { 'x-one': value } });
    for (let time = 0; time < 3; time += 1) await expect(asked('a\nb')).rejects.toThrow('Invalid character');
    expect((await asked('a')).body).toBe('well');
  });
});
