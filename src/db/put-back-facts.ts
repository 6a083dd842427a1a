import type { Pool, PoolClient } from 'pg';
import type { DevicePart, LeftToPutBack } from '../domain/put-back';

/** Of `device_rollout_status s`: this rollout wrote the target, and has not given the device away. */
export const CHANGED_HERE = `(s.changes <> '[]' and (s.status in ('scheduled', 'updating', 'health_checking', 'completed', 'failed', 'timed_out', 'unreachable',
    'rolling_back', 'rollback_failed') or s.status = 'superseded' and s.active))`;

/** It is another rollout's by now: that one inherited what there is to go back to. */
export const LEFT_TO_NEWER = `exists (select from device_rollout_status other
  where other.device_uuid = s.device_uuid and other.image = s.image and other.active and other.rollout_id <> s.rollout_id)`;

/** The target of `device_target_state t` is back on what it held before `changes`, as far as those go. */
export function isBack(changes: string): string {
  return `(fleetwave.revert_changes(t.apps, (select jsonb_agg(change || jsonb_build_object('from', change -> 'to', 'to', change -> 'from') order by position)
    from jsonb_array_elements(${changes}) with ordinality listed (change, position))) is not null)`;
}

const HELD = `(fleetwave.revert_changes(t.apps, s.changes) is not null or s.status in ('rolling_back', 'rollback_failed') and ${isBack('s.changes')})`;

/** What a rollback of an ended rollout would find. The targets are looked at until one is found that can be put back. */
export async function readLeftToPutBack(pool: Pick<PoolClient, 'query'>, rolloutId: string): Promise<LeftToPutBack> {
  const { rows } = await pool.query<LeftToPutBack>(
    `select count(*) filter (where ours and not taken)::int as told, count(*) filter (where ours and taken or status = 'superseded' and not active)::int as "leftToNewer",
            count(*) filter (where status = 'rolled_back')::int as "alreadyBack",
            exists (select from device_rollout_status s join device_target_state t on t.device_uuid = s.device_uuid
                     where s.rollout_id = $1 and ${CHANGED_HERE} and not ${LEFT_TO_NEWER} and ${HELD}) as any
       from (select s.status, s.active, ${CHANGED_HERE} as ours, ${LEFT_TO_NEWER} as taken from device_rollout_status s where s.rollout_id = $1) parts`,
    [rolloutId],
  );
  return rows[0] ?? { any: false, told: 0, leftToNewer: 0, alreadyBack: 0 };
}

/** Null when the device has no part in the rollout. */
export async function readDevicePart(pool: Pool, rolloutId: string, deviceUuid: string): Promise<DevicePart | null> {
  const { rows } = await pool.query<DevicePart>(
    `select s.status, s.reason, s.active, s.changes <> '[]' as changed, ${LEFT_TO_NEWER} as "leftToNewer", ${HELD} as held
       from device_rollout_status s join device_target_state t on t.device_uuid = s.device_uuid
      where s.rollout_id = $1 and s.device_uuid = $2`,
    [rolloutId, deviceUuid],
  );
  return rows[0] ?? null;
}

/** Of these devices, those that have no part in the rollout; none while it is not planned: then nobody knows yet. */
export async function countStrangers(
  pool: Pick<PoolClient, 'query'>,
  rolloutId: string,
  deviceUuids: readonly string[],
): Promise<number> {
  const { rows } = await pool.query<{ strangers: number }>(
    `select count(*)::int as strangers from unnest($2::uuid[]) as named (uuid)
      where exists (select from image_rollouts where id = $1 and planned_at is not null)
        and not exists (select from device_rollout_status where rollout_id = $1 and device_uuid = named.uuid)`,
    [rolloutId, deviceUuids],
  );
  return rows[0]?.strangers ?? 0;
}
