import type { Pool } from 'pg';

/**
 * Tells failed devices again: a new version of the same target, so that its ETag changes and a fresh report is asked for.
 * Idempotent by `tries`; a device that refused (`rejected`) is not asked twice, and one whose target holds something else
 * by now is left as it is.
 */
export async function retryDevices(pool: Pool, rolloutId: string, attempt: number): Promise<number> {
  await pool.query(
    `with due as materialized (
       select s.rollout_id, s.device_uuid, s.changes from device_rollout_status s
        where s.rollout_id = $1 and s.active and s.status in ('failed', 'timed_out', 'unreachable') and s.tries < $2
          and s.reason is distinct from 'rejected' and s.reason not like 'rejected:%'
          and exists (select from image_rollouts r where r.id = $1 and r.status = 'in_progress')
        order by s.device_uuid for update of s
     ), held as materialized (
       select due.rollout_id, t.device_uuid from due join device_target_state t on t.device_uuid = due.device_uuid
        where fleetwave.revert_changes(t.apps, due.changes) is not null order by t.device_uuid for update of t
     ), written as (
       update device_target_state t set version = t.version + 1, updated_at = fleetwave.now() from held where t.device_uuid = held.device_uuid
       returning held.rollout_id, t.device_uuid, t.version
     ), moved as (
       update device_rollout_status s
          set status = 'scheduled', reason = null, tries = $2, target_version = w.version, written_at = fleetwave.clock(),
              healthy_since = null, failed_at = null, updated_at = fleetwave.now()
         from written w where s.rollout_id = w.rollout_id and s.device_uuid = w.device_uuid
       returning s.device_uuid, s.batch, s.target_version
     ), heard as (
       update rollout_batches b set signalled = null where b.rollout_id = $1 and b.number in (select batch from moved)
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, data)
     select $1, 'device.retry_scheduled', device_uuid, batch, jsonb_build_object('version', target_version, 'attempt', $2::int) from moved`,
    [rolloutId, attempt],
  );
  // Counted from the rows: a repeated call must not answer that there was nothing to do.
  const told = await pool.query<{ count: number }>(
    'select count(*)::int as count from device_rollout_status where rollout_id = $1 and tries = $2',
    [rolloutId, attempt],
  );
  return told.rows[0]?.count ?? 0;
}
