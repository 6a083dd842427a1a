import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { startTestStack, type TestStack } from '../support/stack-fixture';

const REPORTING = 64;
const WAITING = 8;

let stack: TestStack;
let devices: DeviceCredentials[];
beforeAll(async () => {
  stack = await startTestStack();
  devices = await stack.devices(Array.from({ length: REPORTING + WAITING }, () => appWith('redis:1')));
});
afterAll(async () => {
  await stack.close();
});

interface Answer {
  status: number;
  etag: string | undefined;
  retryAfter: string | undefined;
}

/** What came of a request that got no answer. */
class Unanswered extends Error {
  constructor(
    readonly code: string,
    /** The connection had carried requests before: its sender cannot know whether this one was read. */
    readonly reused: boolean,
  ) {
    super(`${code}${reused ? ' on a connection in use' : ''}`);
  }
}

/** One connection for each device, kept open from request to request, as agents keep theirs. */
function deviceClient({ uuid, apiKey }: DeviceCredentials) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  function send(method: string, path: string, headers: Record<string, string>, body?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request(`${stack.apiUrl}/api/v1${path}`, {
        ...{ method, agent },
        headers: { 'x-device-api-key': apiKey, 'content-type': 'application/json', ...headers },
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        reject(new Unanswered(error.code ?? error.message, sent.reusedSocket));
      });
      sent.on('response', (response) => {
        const { etag, 'retry-after': retryAfter } = response.headers;
        response.resume();
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, etag, retryAfter });
        });
        response.on('error', () => {
          reject(new Unanswered('cut', true));
        });
      });
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
  return {
    report: (count: number) => send('PATCH', '/device/state', {}, { [uuid]: { apps: {}, count } }),
    poll: (wait: number, etag = '') => send('GET', `/device/${uuid}/state?wait=${wait}`, { 'if-none-match': etag }),
  };
}

test('an API that gets SIGTERM under load answers every request that it took, and has stored every report that it acknowledged', async () => {
  const acknowledged = new Map<string, number>();
  const unanswered: Unanswered[] = [];
  const statuses = new Set<number>();
  const reporters = devices.slice(0, REPORTING).map(async (device) => {
    const client = deviceClient(device);
    for (let count = 1; ; count += 1) {
      try {
        const { status } = await client.report(count);
        statuses.add(status);
        if (status === 200) acknowledged.set(device.uuid, count);
        else count -= 1;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        unanswered.push(error);
        return;
      }
    }
  });
  const waiters = devices.slice(REPORTING).map(async (device) => {
    const client = deviceClient(device);
    const { etag } = await client.poll(0);
    return client.poll(60, etag);
  });
  await until(
    () => Promise.resolve(acknowledged.size === REPORTING && Math.min(...acknowledged.values()) >= 5),
    60_000,
  );
  await until(async () => {
    const metrics = await (await fetch(`${stack.apiUrl}/metrics`)).text();
    return metrics.includes(`fleetwave_waiting_polls ${WAITING}`);
  });

  await stack.api.stop();
  await Promise.all(reporters);
  expect(unanswered.filter(({ reused }) => reused).map(({ message }) => message)).toEqual([]);
  expect(unanswered).toHaveLength(REPORTING);
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
  const { rows } = await stack.pool.query<{ uuid: string; count: number }>(
    `select device_uuid as uuid, (info ->> 'count')::int as count from device_current_state where device_uuid = any ($1)`,
    [devices.slice(0, REPORTING).map(({ uuid }) => uuid)],
  );
  expect(new Map(rows.map(({ uuid, count }) => [uuid, count]))).toEqual(acknowledged);
  const waited = await Promise.all(waiters);
  expect(waited.map(({ status }) => status)).toEqual(Array.from({ length: WAITING }, () => 304));
  expect(waited.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true);
});
