import { expect } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { appWith } from './fleet-fixture';
import { digestOf, envelope } from './intake';
import { until } from './outage';
import { startTestStack, type Answer, type TestStack } from './stack-fixture';

/** A rollout as `GET /rollouts/:id` shows it. */
export interface ShownRollout {
  status: string;
  reason?: string;
  error?: string;
  counts: Record<string, number>;
  batches: { number: number; planned: number; status: string; rule: string | null; lane: string }[];
}

export interface ShownStatus {
  status: string;
  waiting_for: string | null;
  since: string | null;
  until: string | null;
  next_rule: string | null;
}

/** What a registry, an operator and agents do and see, by HTTP alone; agents are played by hand. */
export interface FieldStack extends TestStack {
  /** Devices of the image `<repository>:1`, with more fields where given. */
  fleet(repository: string, devices: number | readonly object[], tag?: string): Promise<DeviceCredentials[]>;
  /** A push that starts one rollout: its id. */
  starts(repository: string, tag: string): Promise<string>;
  /** A push that names its digest, in an envelope of Distribution. */
  pushDigest(repository: string, tag: string, digest: string): Promise<Answer>;
  rollout(id: string): Promise<ShownRollout>;
  status(id: string): Promise<ShownStatus>;
  /** Waits until the rollout is in this state, and answers it. */
  becomes(id: string, status: string): Promise<ShownRollout>;
  /** Waits until its counts are at least these. */
  counts(id: string, wanted: Record<string, number>): Promise<void>;
  waitsFor(id: string, text: string): Promise<ShownStatus>;
  /** Polls, and answers the image that the device is to run, with its tag alone. */
  target(device: DeviceCredentials): Promise<string>;
  targets(devices: readonly DeviceCredentials[]): Promise<string[]>;
  version(device: DeviceCredentials): Promise<number>;
  /** Says that it runs what it is to run, or how that fares. */
  report(device: DeviceCredentials, status?: string, more?: object): Promise<void>;
  deviceStates(id: string): Promise<Record<string, string>>;
  /** Data of the first event of a type. */
  event(id: string, type: string): Promise<Record<string, unknown>>;
}

export const REGISTRY = 'registry.example.com:5000';

export async function startFieldStack(): Promise<FieldStack> {
  const stack = await startTestStack();
  const get = async <Body>(path: string): Promise<Body> => {
    const answer = await stack.call('GET', path);
    expect([path, answer.status]).toEqual([path, 200]);
    return answer.body as Body;
  };
  const ask = async (device: DeviceCredentials, method: string, path: string, body?: object) => {
    const answer = await fetch(`${stack.apiUrl}/api/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-device-api-key': device.apiKey },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect([path, answer.status]).toEqual([path, 200]);
    return (await answer.json()) as Record<string, { apps: Apps; version: number }>;
  };
  const polled = async (device: DeviceCredentials) => {
    const own = (await ask(device, 'GET', `/device/${device.uuid}/state`))[device.uuid];
    if (own === undefined) throw new Error(`the poll of ${device.uuid} does not hold it`);
    return own;
  };
  const imageOf = async (device: DeviceCredentials): Promise<string> =>
    (await polled(device)).apps['1002'].services[0].imageName;
  let pushes = 0;

  const field: FieldStack = {
    ...stack,
    async fleet(repository, devices, tag = '1') {
      const given = typeof devices === 'number' ? Array.from({ length: devices }, () => ({})) : devices;
      const body = given.map((device) => ({ target_state: { apps: appWith(`${repository}:${tag}`) }, ...device }));
      const answer = await stack.call('POST', '/devices', { devices: body });
      expect(answer.status).toBe(201);
      const made = answer.body['devices'] as { uuid: string; api_key: string }[];
      return made.map(({ uuid, api_key: apiKey }) => ({ uuid, apiKey }));
    },
    async starts(repository, tag) {
      const { status, body } = await stack.push(repository, tag);
      expect([status, body['outcome'], body['detail']]).toEqual([202, 'started', undefined]);
      return String(body['rollout_id']);
    },
    async pushDigest(repository, tag, digest) {
      pushes += 1;
      const text = envelope({ id: `fields-${String(pushes)}`, tag, digest: digestOf(digest), repository });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${stack.apiUrl}/api/v1/webhooks/docker-registry`, {
        method: 'POST',
        headers,
        body: text,
      });
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
    },
    rollout: (id) => get(`/rollouts/${id}`),
    status: (id) => get(`/rollouts/${id}/status`),
    async becomes(id, status) {
      await until(async () => (await field.rollout(id)).status === status, 120_000).catch(async () => {
        throw new Error(
          `rollout is not ${status}: ${JSON.stringify([await field.rollout(id), await field.status(id)])}`,
        );
      });
      return field.rollout(id);
    },
    async counts(id, wanted) {
      const reached = (counts: Record<string, number>): boolean =>
        Object.entries(wanted).every(([name, devices]) => (counts[name] ?? 0) >= devices);
      await until(async () => reached((await field.rollout(id)).counts)).catch(async () => {
        throw new Error(`counts are not ${JSON.stringify(wanted)}: ${JSON.stringify(await field.rollout(id))}`);
      });
    },
    async waitsFor(id, text) {
      await until(async () => (await field.status(id)).waiting_for?.includes(text) === true).catch(async () => {
        throw new Error(`rollout does not wait for ${text}: ${JSON.stringify(await field.status(id))}`);
      });
      return field.status(id);
    },
    target: async (device) => (await imageOf(device)).replace(/^.*?:(?=[^:/]+(@|$))/, ''),
    targets: (devices) => Promise.all(devices.map((device) => field.target(device))),
    version: async (device) => (await get<{ version: number }>(`/devices/${device.uuid}/target-state`)).version,
    async report(device, status = 'running', more = {}) {
      const service = { serviceId: 1, serviceName: 'redis', imageName: await imageOf(device), status };
      await ask(device, 'PATCH', '/device/state', {
        [device.uuid]: { apps: { '1002': { services: [service] } }, ...more },
      });
    },
    async deviceStates(id) {
      const { devices } = await get<{ devices: { device_uuid: string; status: string }[] }>(`/rollouts/${id}/devices`);
      return Object.fromEntries(devices.map(({ device_uuid, status }) => [device_uuid, status]));
    },
    async event(id, type) {
      const { events } = await get<{ events: { type: string; data: Record<string, unknown> }[] }>(
        `/rollouts/${id}/events?limit=500`,
      );
      const found = events.find((one) => one.type === type);
      if (found === undefined) throw new Error(`no event ${type} among ${events.map((one) => one.type).join(', ')}`);
      return found.data;
    },
  };
  return field;
}

interface Apps {
  '1002': { services: [{ imageName: string }] };
}

/** Nothing waits but for what a test does. */
export const quick = {
  update_strategy: 'staged',
  batches: [{ percent: 100 }],
  batch_delay_seconds: 0,
  health: { timeout_seconds: 120, soak_seconds: 0 },
  rollback_timeout_seconds: 120,
};
