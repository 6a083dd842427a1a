import { z } from 'zod';
import type { ApiClient } from '../cli/api-client';
import { loadConfig, type Config } from '../config';
import type { DeviceCredentials } from '../agent/simulator/fleet';
import { affectedDevices, lookAlikes } from './demo-fleet';

/**
 * Settings for a stack of its own: whatever is configured here belongs to an installation that the demo must not touch, so
 * it takes free ports, a directory of its own and its own servers.
 */
export function demoConfig(directory: string): Config {
  const config: Config = {
    ...loadConfig(),
    PORT: 0,
    HOST: '127.0.0.1',
    FLEETWAVE_TEMPORAL_UI_PORT: 0,
    FLEETWAVE_DATA_DIR: directory,
  };
  delete config.DATABASE_URL;
  delete config.TEMPORAL_ADDRESS;
  delete config.TEMPORAL_UI_URL;
  delete config.FLEETWAVE_ADMIN_TOKEN;
  return { ...config, TEMPORAL_NAMESPACE: 'default', FLEETWAVE_TASK_QUEUE: 'fleetwave' };
}

/**
 * Empty counts as unset: a webhook secret of the environment would make the demo's registry a stranger. Its pushes are one event
 * each: nobody has to wait for a second one.
 */
export const demoEnvironment: NodeJS.ProcessEnv = {
  FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS: '0',
  FLEETWAVE_WEBHOOK_SECRET: '',
  FLEETWAVE_WEBHOOK_SECRET_FILE: '',
  LOG_LEVEL: 'info',
};

/** A policy in a hurry: the default is half an hour between batches and a minute of soak. */
export async function createPolicy(api: ApiClient, image: string): Promise<void> {
  const policy = {
    image_pattern: `${image}:*`,
    update_strategy: 'staged',
    batches: [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
    batch_delay_seconds: 2,
    health: { timeout_seconds: 30, soak_seconds: 1, checks: [{ kind: 'container_running' }] },
    max_failure_rate: 0.2,
    min_sample: 5,
    on_failure: 'rollback',
    rollback_timeout_seconds: 60,
  };
  await api.post('/image-policies', policy, z.unknown());
}

export interface DemoFleet {
  devices: DeviceCredentials[];
  /** Those whose images only look like the released one. */
  lookAlikes: ReadonlySet<string>;
}

const Created = z.object({ devices: z.array(z.object({ uuid: z.string(), api_key: z.string() })) });

export async function createDevices(api: ApiClient, image: string): Promise<DemoFleet> {
  const affected = affectedDevices(image);
  const planned = [...affected, ...lookAlikes(image)];
  const body = { devices: planned.map(({ name, apps }) => ({ name, fleet_id: 'demo', target_state: { apps } })) };
  const { devices } = await api.post('/devices', body, Created);
  const credentials = devices.map(({ uuid, api_key }) => ({ uuid, apiKey: api_key }));
  return { devices: credentials, lookAlikes: new Set(credentials.slice(affected.length).map(({ uuid }) => uuid)) };
}
