import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { defaultRules, type DeviceSelection, type RolloutRules } from '../../src/domain/rules';
import { rolloutWorkflowId } from '../../src/domain/ids';

export interface SeededDevice {
  uuid: string;
  apps: Record<string, unknown>;
}

/** One app with one service that names its image in `imageName`, as most devices in the field do. */
export function appWith(
  image: string,
  field: 'imageName' | 'config.image' | 'both' = 'imageName',
): Record<string, unknown> {
  const config = field === 'imageName' ? { ports: ['6379:6379'] } : { image, ports: ['6379:6379'] };
  return {
    '1002': {
      appName: 'cache',
      services: [
        { serviceId: 1, serviceName: 'redis', ...(field === 'config.image' ? {} : { imageName: image }), config },
      ],
    },
  };
}

/** Devices straight into the tables, set-based: for tests of what reads them. */
export async function seedDevices(
  pool: Pool,
  count: number,
  apps: (index: number) => Record<string, unknown>,
): Promise<SeededDevice[]> {
  const devices = Array.from({ length: count }, (_, index) => ({ uuid: randomUUID(), apps: apps(index) }));
  await pool.query('insert into devices (uuid) select unnest($1::uuid[])', [devices.map((device) => device.uuid)]);
  await pool.query(
    'insert into device_target_state (device_uuid, apps, version) select d.uuid, d.apps, 3 from unnest($1::uuid[], $2::jsonb[]) as d (uuid, apps)',
    [devices.map((device) => device.uuid), devices.map((device) => JSON.stringify(device.apps))],
  );
  await pool.query(
    'insert into device_current_state (device_uuid, apps) select device_uuid, apps from device_target_state on conflict do nothing',
  );
  return devices;
}

export interface SeededRollout {
  image?: string;
  tag?: string;
  digest?: string | null;
  revision?: string;
  rules?: Partial<RolloutRules>;
  selection?: DeviceSelection;
}

/** An accepted rollout, as intake leaves it, not yet planned. */
export async function seedRollout(pool: Pool, given: SeededRollout = {}): Promise<string> {
  const {
    image = 'docker.io/library/redis',
    tag = '7.5-alpine',
    digest = null,
    revision = randomUUID(),
    selection = {},
  } = given;
  const slash = image.indexOf('/');
  const rules: RolloutRules = { ...defaultRules, ...given.rules };
  const inserted = await pool.query<{ id: string }>(
    `insert into image_rollouts (image, image_name, registry, repository, tag, digest, revision, strategy, rules, selection, trigger, actor, workflow_id)
     values ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, 'manual', 'test', $10) returning id`,
    [
      image,
      image.slice(0, slash),
      image.slice(slash + 1),
      tag,
      digest,
      revision,
      rules.strategy,
      rules,
      selection,
      rolloutWorkflowId(image, tag),
    ],
  );
  const id = inserted.rows[0]?.id;
  if (id === undefined) throw new Error('the rollout was not inserted');
  return id;
}

/** Status and version of each device of a rollout, in a stable order. */
export async function deviceRows(
  pool: Pool,
  rolloutId: string,
): Promise<
  { device: string; batch: number | null; status: string; reason: string | null; version: number; active: boolean }[]
> {
  const found = await pool.query<{
    device: string;
    batch: number | null;
    status: string;
    reason: string | null;
    version: number;
    active: boolean;
  }>(
    `select s.device_uuid as device, s.batch, s.status, s.reason, t.version, s.active
       from device_rollout_status s join device_target_state t using (device_uuid) where s.rollout_id = $1 order by s.batch, s.device_uuid`,
    [rolloutId],
  );
  return found.rows;
}

/** The deadlines of all devices that are on their way are over. */
export async function passDeadlines(pool: Pool, rolloutId: string): Promise<void> {
  await pool.query(
    `update device_rollout_status set deadline_at = now() - interval '1 second'
      where rollout_id = $1 and status in ('scheduled', 'updating', 'rolling_back')`,
    [rolloutId],
  );
}
