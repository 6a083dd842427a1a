import type { DeviceCredentials } from '../src/agent/simulator/fleet';
import type { ClientRequest } from '../src/agent/http-client';
import { createFleetClient } from '../src/agent/simulator/fleet-client';
import { percentile } from './statistics';

export interface LoadOrder {
  url: string;
  kind: 'poll without news' | 'poll with news' | 'report';
  devices: DeviceCredentials[];
  connections: number;
  seconds: number;
}

export interface LoadResult {
  requests: number;
  perSecond: number;
  p50: number;
  p99: number;
  /** Answers other than the one that was to be measured. */
  others: number;
}

/** Sends the next request on each connection as soon as the last one is answered, device after device. */
async function load({ url, kind, devices, connections, seconds }: LoadOrder): Promise<LoadResult> {
  const client = createFleetClient(url, connections);
  const etags = new Map<string, string>();
  const expected = kind === 'poll without news' ? 304 : 200;
  if (kind === 'poll without news') {
    await inTurns(devices.length, async (turn) => {
      const device = devices[turn];
      if (device === undefined) return 'stop';
      const { etag } = await client.send(poll(device, undefined));
      if (etag !== undefined) etags.set(device.uuid, etag);
      return undefined;
    });
  }
  const took: number[] = [];
  let others = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  await inTurns(Number.POSITIVE_INFINITY, async (turn) => {
    const device = devices[turn % devices.length];
    if (device === undefined || performance.now() > until) return 'stop';
    const sentAt = performance.now();
    const request = kind === 'report' ? report(device) : poll(device, etags.get(device.uuid));
    const { status } = await client.send(request);
    took.push(performance.now() - sentAt);
    if (status !== expected) others += 1;
    return undefined;
  });
  const perSecond = took.length / ((performance.now() - startedAt) / 1000);
  client.close();
  return { requests: took.length, perSecond, p50: percentile(took, 0.5), p99: percentile(took, 0.99), others };

  async function inTurns(turns: number, work: (turn: number) => Promise<'stop' | undefined>): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < turns) {
        next += 1;
        if ((await work(next - 1)) === 'stop') return;
      }
    };
    await Promise.all(Array.from({ length: connections }, lane));
  }
}

function poll({ uuid, apiKey }: DeviceCredentials, etag: string | undefined): ClientRequest {
  const conditional = etag === undefined ? {} : { 'if-none-match': etag, 'cache-control': 'no-cache' };
  return {
    method: 'GET',
    path: `/api/v1/device/${uuid}/state`,
    headers: { 'x-device-api-key': apiKey, ...conditional },
  };
}

/** As the field's agents report: one service, and a little about themselves. */
function report({ uuid, apiKey }: DeviceCredentials): ClientRequest {
  const services = [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7.0', status: 'running' }];
  const body = { [uuid]: { apps: { '1002': { services } }, version: 1, is_online: true, os_version: 'Debian 12' } };
  return {
    method: 'PATCH',
    path: '/api/v1/device/state',
    headers: { 'x-device-api-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

process.on('message', (order: LoadOrder) => {
  void load(order).then((result) => process.send?.(result));
});
