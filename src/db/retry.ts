import type { Pool } from 'pg';
import type { WritePermit } from '../domain/write-permit';

/**
 * Tells failed devices again: a new version of the same target, so that its ETag changes and a fresh report is asked for.
 * Only those with fewer tries than `attempt`; null does not ask. Nobody is told outside of its window or in a freeze.
 * Idempotent by the state they leave; a device that refused (`rejected`) is not asked twice, and one whose target holds
 * something else by now is left as it is.
 * @returns how many were told.
 */
export async function retryDevices(
  pool: Pool,
  rolloutId: string,
  attempt: number | null,
  { zones, frozenFleets }: Pick<WritePermit, 'zones' | 'frozenFleets'>,
): Promise<number> {
  const told = await pool.query<{ told: number }>(
    `with due as materialized (
       select s.rollout_id, s.device_uuid, s.changes from device_rollout_status s join devices d on d.uuid = s.device_uuid
        where s.rollout_id = $1 and s.active and s.status in ('failed', 'timed_out', 'unreachable') and ($2::int is null or s.tries < $2)
          and coalesce(s.reason, '') <> 'rejected' and coalesce(s.reason, '') not like 'rejected:%'
          and exists (select from image_rollouts r where r.id = $1 and r.status = 'in_progress')
          and (d.fleet_id is null or d.fleet_id <> all ($4::text[])) and ($3::text[] is null or coalesce(d.timezone, 'UTC') = any ($3))
        order by s.device_uuid for update of s
     ), held as materialized (
       select due.rollout_id, t.device_uuid from due join device_target_state t on t.device_uuid = due.device_uuid
        where fleetwave.revert_changes(t.apps, due.changes) is not null order by t.device_uuid for update of t
     ), written as (
       update device_target_state t set version = t.version + 1, updated_at = fleetwave.now() from held where t.device_uuid = held.device_uuid
       returning held.rollout_id, t.device_uuid, t.version
     ), moved as (
       update device_rollout_status s
          set status = 'scheduled', reason = null, tries = s.tries + 1, target_version = w.version, written_at = fleetwave.clock(),
              deadline_at = fleetwave.clock() + (select make_interval(secs => (r.rules ->> 'healthTimeoutSeconds')::float8) from image_rollouts r where r.id = $1),
              healthy_since = null, failed_at = null, updated_at = fleetwave.now()
         from written w where s.rollout_id = w.rollout_id and s.device_uuid = w.device_uuid
       returning s.device_uuid, s.batch, s.target_version, s.tries
     ), heard as (
       update rollout_batches b set signalled = null where b.rollout_id = $1 and b.number in (select batch from moved)
     ), events as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, data)
       select $1, 'device.retry_scheduled', device_uuid, batch, jsonb_build_object('version', target_version, 'attempt', tries) from moved
     )
     select count(*)::int as told from moved`,
    [rolloutId, attempt, zones, frozenFleets],
  );
  return told.rows[0]?.told ?? 0;
}
