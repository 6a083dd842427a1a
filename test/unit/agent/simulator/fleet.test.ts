import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startFleet, type Fleet } from '../../../../src/agent/simulator/fleet';

/** What the API does when it is unwell cannot be asked of a healthy one, so this server stands in for a failing proxy. */
let server: Server;
let answers: (request: number) => { status: number; body: string };
let requests: { at: number; method: string; etag: string | undefined; key: string | undefined; body: string }[];
let fleet: Fleet | undefined;

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { status, body: answer } = answers(requests.length);
      const header = (name: string) => request.headers[name] as string | undefined;
      requests.push({
        at: performance.now(),
        method: request.method ?? '',
        etag: header('if-none-match'),
        key: header('x-device-api-key'),
        body,
      });
      response.writeHead(status, { etag: '"one"' }).end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await fleet?.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function startOne(pollIntervalMs: number): void {
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  fleet = startFleet({
    apiUrl,
    devices: [{ uuid: 'd', apiKey: 'k' }],
    seed: 's',
    behaviourOf: () => 'healthy',
    pollIntervalMs,
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const state = JSON.stringify({
  d: { apps: { '1': { services: [{ serviceName: 'cache', imageName: 'redis:7' }] } }, version: 3 },
});

test('a device outlives errors and goes on when the server is well', async () => {
  answers = (request) => (request < 3 ? { status: 503, body: 'unwell' } : { status: 200, body: state });
  startOne(20);
  await until(() => requests.some(({ method }) => method === 'PATCH'));
  expect(fleet?.summary()).toMatchObject({ errors: 3, lastError: 'poll answered 503: unwell' });
});

test('an answer that is no target state is an error like any other', async () => {
  answers = () => ({ status: 200, body: '<html>captive portal</html>' });
  startOne(10);
  await until(() => requests.length >= 2);
  expect(fleet?.summary().errors).toBeGreaterThan(0);
});

test('polls carry the key and the ETag exactly as received; the report names what the target names', async () => {
  answers = (request) => (request === 0 ? { status: 200, body: state } : { status: 304, body: '' });
  startOne(20);
  await until(() => requests.filter(({ method }) => method === 'GET').length >= 2);
  const polls = requests.filter(({ method }) => method === 'GET');
  expect(polls.map(({ etag }) => etag).slice(0, 2)).toEqual([undefined, '"one"']);
  expect(new Set(requests.map(({ key }) => key))).toEqual(new Set(['k']));
  const report = requests.find(({ method }) => method === 'PATCH');
  expect(JSON.parse(report!.body)).toEqual({
    d: {
      apps: { '1': { services: [{ serviceName: 'cache', imageName: 'redis:7', status: 'running' }] } },
      is_online: true,
      version: 3,
    },
  });
});
