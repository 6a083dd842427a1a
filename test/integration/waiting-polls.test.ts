import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, get, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtFile } from '../../src/dev/fleetwave-process';
import { freePort } from '../../src/dev/ports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { testServers } from '../support/facts';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';

const DEVICES = 10_000;
/** Of them, those that ask the second process. */
const ELSEWHERE = 500;
/** A fleet does not come in one instant: so many at once. */
const GROUP = 500;
const ADMIN_TOKEN = 'admin-token-of-the-tests';
const WAIT = 60;

interface Device {
  uuid: string;
  api_key: string;
  etag?: string;
}
interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface ApiProcess {
  url: string;
  child: ChildProcess;
}

let database: TestDatabase;
let agent: Agent;
const children: ChildProcess[] = [];

beforeAll(async () => {
  const files = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  if (files < DEVICES + 1000)
    throw new Error(
      `this test needs ${DEVICES + 1000} open files a process and may have ${files}: raise \`ulimit -Hn\``,
    );
  database = await createTestDatabase();
  agent = new Agent({ keepAlive: true, maxSockets: Infinity });
});
afterAll(async () => {
  agent.destroy();
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  await database.drop();
});

/** The built API as a process of its own, as production runs it. */
async function startApi(): Promise<ApiProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, [builtFile('api', 'main.js')], {
    env: {
      ...process.env,
      PORT: String(port),
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: testServers().FLEETWAVE_TEST_TEMPORAL_ADDRESS,
      FLEETWAVE_ADMIN_TOKEN: ADMIN_TOKEN,
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until(() =>
    ask(`${url}/healthz`, {}).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return { url, child };
}

function ask(url: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    }).on('error', reject);
  });
}

const poll = (api: ApiProcess, device: Device, wait = WAIT) =>
  ask(`${api.url}/api/v1/device/${device.uuid}/state?wait=${wait}`, {
    'x-device-api-key': device.api_key,
    'if-none-match': device.etag ?? '"none yet"',
  });

let repeated = 0;

/** As an agent does: asks again when the time is over, and somewhat later when the API has too much to do. */
async function news(api: ApiProcess, device: Device): Promise<Answer> {
  for (;;) {
    const answer = await poll(api, device);
    if (answer.status === 200) return answer;
    if (answer.status !== 304 && answer.status !== 503) throw new Error(`${answer.status}: ${answer.body}`);
    repeated += 1;
    if (answer.status === 503) await sleep(1000 + 4000 * Math.random());
  }
}

async function metric({ url }: ApiProcess, name: string): Promise<number> {
  const { body } = await ask(`${url}/metrics`, {});
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1]);
}
/** Nearly all: where this takes more than a minute, somebody is always between two polls. */
const held = (api: ApiProcess, count: number) =>
  until(async () => (await metric(api, 'fleetwave_waiting_polls')) >= count * 0.99, 120_000);

const memory = ({ child }: ApiProcess) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024);

async function createDevices({ url }: ApiProcess): Promise<Device[]> {
  const answer = await fetch(`${url}/api/v1/devices`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      devices: Array.from({ length: DEVICES }, () => ({ target_state: { apps: appWith('redis:7') } })),
    }),
  });
  const { devices } = (await answer.json()) as { devices: Device[] };
  return devices;
}

/** Calls for each, so many at once. */
async function forEach<T>(items: readonly T[], atOnce: number, call: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await call(item);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

test('10,000 waiting polls on one process, and some on another, all get the new target after one write', async () => {
  const api = await startApi();
  const other = await startApi();
  // By the other one, so that what is measured of the first is its waiting polls.
  const devices = await createDevices(other);
  await forEach(devices, 32, async (device) => {
    const { etag } = (await poll(other, device, 0)).headers;
    if (etag !== undefined) device.etag = etag;
  });
  const before = memory(api);

  const askedAt = performance.now();
  const answers: Promise<Answer>[] = [];
  for (let start = 0; start < DEVICES; start += GROUP) {
    answers.push(...devices.slice(start, start + GROUP).map((device) => news(api, device)));
    await held(api, answers.length);
  }
  const elsewhere = devices.slice(0, ELSEWHERE).map((device) => news(other, device));
  await held(other, ELSEWHERE);
  const waitingAfterMs = performance.now() - askedAt;
  const waiting = memory(api);
  const count = await metric(api, 'fleetwave_waiting_polls');

  const writeAt = performance.now();
  await database.pool.query('update device_target_state set apps = $1, version = version + 1', [appWith('redis:7.5')]);
  const writtenAt = performance.now();
  const got = await Promise.all(answers);
  const answeredAt = performance.now();
  const gotElsewhere = await Promise.all(elsewhere);

  const right = ({ status, body }: Answer) =>
    status === 200 && body.includes('redis:7.5') && body.includes('"version":2');
  expect(got.filter(right)).toHaveLength(DEVICES);
  expect(gotElsewhere.filter(right)).toHaveLength(ELSEWHERE);
  expect(new Set(got.map(({ body }) => body.slice(2, 38))).size).toBe(DEVICES);
  expect(await metric(api, 'fleetwave_waiting_polls')).toBe(0);
  process.stdout.write(
    `${count} of ${DEVICES} polls held ${(waitingAfterMs / 1000).toFixed(1)} s after the first was sent; ` +
      `memory of the API ${before} MB before, ${waiting} MB with them, ${memory(api)} MB after; ` +
      `the write took ${(writtenAt - writeAt).toFixed(0)} ms, the last device was answered ${(answeredAt - writtenAt).toFixed(0)} ms after it; ${repeated} polls were repeated\n`,
  );

  // A stop answers those who wait, and does not wait for them.
  const version2 = devices
    .slice(0, ELSEWHERE)
    .map((device, index) => ({ ...device, etag: got[index]?.headers.etag ?? '' }));
  const stopped = version2.map((device) => poll(other, device));
  await held(other, ELSEWHERE);
  const exited = once(other.child, 'exit');
  other.child.kill('SIGTERM');
  for (const { status, headers } of await Promise.all(stopped))
    expect([status, headers.connection, Number(headers['retry-after']) <= 10]).toEqual([304, 'close', true]);
  expect(await exited).toEqual([0, null]);
});
