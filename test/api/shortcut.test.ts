import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, request, type Server } from 'node:http';
import { gzipSync } from 'node:zlib';
import { createApp } from '../../src/api/app';
import { closeServer, listen } from '../../src/api/server';
import { startApiRig, type ApiRig } from './api-rig';

/** What agents ask for is answered alike by the shortcut and by Express alone, to the byte; only a `retry-after` is drawn. */
const apps = { '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7-alpine' }] } };
const JSON_TYPE = { 'content-type': 'application/json' };

let rig: ApiRig;
let express: Server;
let expressUrl: string;
let uuid: string;
let key: string;
let other: string;
beforeAll(async () => {
  rig = await startApiRig();
  express = createServer(createApp(rig.deps));
  expressUrl = await listen(express, 0, '127.0.0.1');
  ({ uuid, key } = await rig.device({ target_state: { apps } }));
  ({ key: other } = await rig.device());
});
afterAll(async () => {
  await closeServer(express, 1000);
  await rig.close();
});

interface Sent {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

async function answered(url: string, { method = 'GET', path, headers = {}, body }: Sent) {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-request-id': 'one', 'x-device-api-key': key, ...headers },
    body: (body ?? null) as RequestInit['body'],
  } as RequestInit);
  const told = Object.fromEntries([...response.headers].filter(([name]) => !['date', 'retry-after'].includes(name)));
  return { status: response.status, headers: told, body: await response.text() };
}

const state = (): string => `/api/v1/device/${uuid}/state`;
const report = (body: string | Buffer, headers: Record<string, string> = {}): Sent => ({
  method: 'PATCH',
  path: '/api/v1/device/state',
  headers: { ...JSON_TYPE, ...headers },
  body,
});
const word = (body: string): Sent => ({
  method: 'POST',
  path: `/api/v1/device/${uuid}/health`,
  headers: JSON_TYPE,
  body,
});
const said = (): string => JSON.stringify({ [uuid]: { apps, version: 1 } });

test.each<[string, number, () => Sent]>([
  ['a poll', 200, () => ({ path: state() })],
  ['a poll without news', 304, () => ({ path: state(), headers: { 'if-none-match': '*' } })],
  ['a poll that waits a second', 304, () => ({ path: `${state()}?wait=1`, headers: { 'if-none-match': '*' } })],
  ['a wait that is too long', 422, () => ({ path: `${state()}?wait=1000` })],
  ['a wait that is said twice', 422, () => ({ path: `${state()}?wait=1&wait=2` })],
  ['what nobody knows beside it', 200, () => ({ path: `${state()}?a=b&c` })],
  ['a path with a slash at its end', 200, () => ({ path: `${state()}/` })],
  ['a path in capitals', 200, () => ({ path: state().toUpperCase() })],
  ['a path with an escape', 200, () => ({ path: state().replaceAll('-', '%2d') })],
  ['no uuid', 422, () => ({ path: '/api/v1/device/7/state' })],
  ['HEAD', 200, () => ({ method: 'HEAD', path: state() })],
  ['a method that is not there', 405, () => ({ method: 'DELETE', path: state() })],
  ['no key', 401, () => ({ path: state(), headers: { 'x-device-api-key': '' } })],
  ['a wrong key', 401, () => ({ path: state(), headers: { 'x-device-api-key': 'wrong' } })],
  ["another device's key", 403, () => ({ path: state(), headers: { 'x-device-api-key': other } })],
  ['a report', 200, () => report(said())],
  ['a compressed report', 200, () => report(gzipSync(said()), { 'content-encoding': 'gzip' })],
  ['a report that is compressed wrongly', 400, () => report(said(), { 'content-encoding': 'gzip' })],
  ['a report in an unknown encoding', 415, () => report(said(), { 'content-encoding': 'zstd' })],
  ['a report that says it is not encoded', 200, () => report(said(), { 'content-encoding': 'identity' })],
  ['an empty report', 400, () => report('')],
  ['a report that is no JSON', 400, () => report('{"a":')],
  ['a report that is not UTF-8', 400, () => report(Buffer.from([0x7b, 0xff, 0x7d]))],
  ['a report of another type', 415, () => report(said(), { 'content-type': 'text/plain' })],
  ['a report that is too large', 413, () => report(Buffer.alloc(1024 * 1024 + 1, ' '))],
  ['a report of nobody', 422, () => report('{}')],
  ['a word', 202, () => word('{"status":"healthy"}')],
  ['a word that nobody knows', 422, () => word('{"status":"splendid"}')],
])('%s is answered %d either way', async (_what, status, sent) => {
  const short = await answered(rig.url, sent());
  expect(short.status).toBe(status);
  expect(short).toEqual(await answered(expressUrl, sent()));
});

test('a body that ends early loses nothing but itself', async () => {
  const cut = request(`${rig.url}/api/v1/device/state`, {
    method: 'PATCH',
    headers: { ...JSON_TYPE, 'x-device-api-key': key, 'content-length': 1000 },
  });
  const ended = new Promise((resolve) => cut.once('error', resolve));
  await new Promise((resolve) => cut.write('{"', resolve));
  cut.destroy(new Error('gone'));
  await ended;
  expect((await answered(rig.url, report(said()))).status).toBe(200);
});

test('both are counted by their route', async () => {
  await answered(rig.url, { path: state() });
  const text = await rig.deps.metrics.registry.metrics();
  expect(text).toMatch(/duration_seconds_count\{.*route="\/api\/v1\/device\/:uuid\/state".*status="200".*\} \d+/);
});
