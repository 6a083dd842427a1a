import type { Pool } from 'pg';
import type { Resolution } from '../domain/resolution';
import type { DeviceStatus, RolloutStatus } from '../domain/rollout-states';
import type { Strategy } from '../domain/rules';
import type { CountedStatus } from '../domain/verdict';
import { COUNTED_AS, UNPLANNED } from './tally';

export interface RolloutRow {
  id: string;
  image: string;
  image_name: string;
  registry: string;
  repository: string;
  tag: string;
  digest: string | null;
  /** What its registry said of the tag; null before it was asked. */
  resolution: Resolution | null;
  attempt: number;
  status: RolloutStatus;
  strategy: Strategy;
  policy_id: string | null;
  trigger: 'webhook' | 'manual' | 'reconcile';
  actor: string;
  workflow_id: string;
  /** Null until the workflow was started. */
  run_id: string | null;
  dispatched_at: Date | null;
  dispatch_error: string | null;
  /** Until then other events of its push are taken into it, and it is not dispatched. */
  gathers_until: Date | null;
  progress: Record<string, unknown> | null;
  reason: string | null;
  error: string | null;
  /** Of the devices without a batch, those that the tag rule left where they are. */
  left_out: number;
  created_at: Date;
  created_key: string;
  started_at: Date | null;
  ended_at: Date | null;
}

const COLUMNS = `id, image, image_name, registry, repository, tag, digest, resolution, attempt, status, strategy, policy_id, trigger, actor, workflow_id, run_id,
  dispatched_at, dispatch_error, gathers_until, progress, reason, error, left_out, created_at, (created_at at time zone 'UTC')::text || '+00' as created_key, started_at, ended_at`;

export interface RolloutFilter {
  status: RolloutStatus | undefined;
  /** A normalised image. */
  image: string | undefined;
  activeOnly: boolean;
  before: [string, string] | undefined;
  limit: number;
}

/** Newest first. */
export async function listRollouts(pool: Pool, filter: RolloutFilter): Promise<RolloutRow[]> {
  const values: unknown[] = [filter.limit + 1];
  const where: string[] = [];
  const place = (value: unknown): string => `$${values.push(value)}`;
  if (filter.activeOnly) where.push('ended_at is null');
  if (filter.status !== undefined) where.push(`status = ${place(filter.status)}`);
  if (filter.image !== undefined) where.push(`image = ${place(filter.image)}`);
  if (filter.before !== undefined)
    where.push(`(created_at, id) < (${place(filter.before[0])}::timestamptz, ${place(filter.before[1])}::uuid)`);
  const { rows } = await pool.query<RolloutRow>(
    `select ${COLUMNS} from image_rollouts ${where.length === 0 ? '' : `where ${where.join(' and ')}`} order by created_at desc, id desc limit $1`,
    values,
  );
  return rows;
}

export async function readRollout(pool: Pool, id: string): Promise<RolloutRow | null> {
  const { rows } = await pool.query<RolloutRow>(`select ${COLUMNS} from image_rollouts where id = $1`, [id]);
  return rows[0] ?? null;
}

export interface DeviceCount {
  rollout_id: string;
  /** Null for devices that have none: left out by the plan, or newcomers that wait for a wave. */
  batch: number | null;
  /** Left out by the plan: on target already, or by the tag rule. */
  unplanned: boolean;
  kind: CountedStatus;
  devices: number;
}

/** Devices by batch and kind; those that were deleted since as they stood then. */
export async function countDevices(pool: Pool, rolloutIds: readonly string[]): Promise<DeviceCount[]> {
  const { rows } = await pool.query<DeviceCount>(
    `select rollout_id, batch, unplanned, kind, sum(devices)::int as devices
       from (select s.rollout_id, s.batch, ${UNPLANNED} as unplanned, ${COUNTED_AS} as kind, count(*) as devices
               from device_rollout_status s where s.rollout_id = any($1::uuid[]) group by 1, 2, 3, 4
              union all
             select rollout_id, batch, unplanned, kind, devices from rollout_deleted_devices where rollout_id = any($1::uuid[])) counted
      group by 1, 2, 3, 4`,
    [rolloutIds],
  );
  return rows;
}

export interface BatchRow {
  number: number;
  planned: number;
  requires_approval: boolean;
  delay_seconds: number | null;
  soak_seconds: number | null;
  lane: 'plan' | 'catch_up';
  status: 'pending' | 'in_progress' | 'passed' | 'failed' | 'skipped' | 'stopped';
  rule: string | null;
  explanation: string | null;
  started_at: Date | null;
  ended_at: Date | null;
}

export async function readRolloutBatches(pool: Pool, rolloutId: string): Promise<BatchRow[]> {
  const { rows } = await pool.query<BatchRow>(
    'select number, planned, requires_approval, delay_seconds, soak_seconds, lane, status, rule, explanation, started_at, ended_at from rollout_batches where rollout_id = $1 order by number',
    [rolloutId],
  );
  return rows;
}

export interface RolloutDeviceRow {
  device_uuid: string;
  batch: number | null;
  status: DeviceStatus;
  reason: string | null;
  /** Why it failed, in a word or two; null where it did not. */
  cause: string | null;
  changes: { app_id: string; service: string | null; field: string; from: string; to: string }[];
  /** What the device's newest report says of the first service that changes. */
  reported: string | null;
  tries: number;
  target_version: number | null;
  updated_at: Date;
}

/** Of a device's report `c` the service of `s.changes`' first, found as `fleetwave.is_failing` does; and its image as a report's reader takes it. */
const REPORTED = `
  left join device_current_state c on c.device_uuid = s.device_uuid
  left join lateral (
    select coalesce(nullif(value ->> 'imageName', ''), value -> 'config' ->> 'image') as image
      from (select s.changes -> 0 as change) first,
           jsonb_array_elements(case when jsonb_typeof(c.apps -> (change ->> 'app_id') -> 'services') = 'array'
                                     then c.apps -> (change ->> 'app_id') -> 'services' else '[]' end) with ordinality as found (value, place)
     where jsonb_typeof(value) = 'object'
       and case when change ->> 'service_id' is not null and jsonb_typeof(value -> 'serviceId') in ('string', 'number')
                  then value ->> 'serviceId' = change ->> 'service_id'
                when change ->> 'service' is not null and jsonb_typeof(value -> 'serviceName') = 'string' and value ->> 'serviceName' <> ''
                  then value ->> 'serviceName' = change ->> 'service'
                else place - 1 = (change ->> 'index')::integer end
     order by place limit 1) reported on true`;

/** Devices of a rollout in the order of their uuid. */
export async function listRolloutDevices(
  pool: Pool,
  rolloutId: string,
  filter: { status: DeviceStatus | undefined; batch: number | undefined; after: string | undefined; limit: number },
): Promise<RolloutDeviceRow[]> {
  const { rows } = await pool.query<RolloutDeviceRow>(
    `select s.device_uuid, s.batch, s.status, s.reason, case when s.failed_at is not null then fleetwave.failure_cause(s.status, s.reason) end as cause, s.changes, reported.image as reported, s.tries, s.target_version, s.updated_at
       from device_rollout_status s ${REPORTED}
      where s.rollout_id = $1 and ($3::text is null or s.status = $3) and ($4::int is null or s.batch = $4) and ($5::uuid is null or s.device_uuid > $5)
      order by s.device_uuid limit $2`,
    [rolloutId, filter.limit + 1, filter.status ?? null, filter.batch ?? null, filter.after ?? null],
  );
  return rows;
}
