import type { Pool, PoolClient } from 'pg';

/**
 * The states of a device whose target this rollout wrote and may have to take back. Active and superseded is one that was told
 * by a rollout that ended so, and that no newer one has taken.
 */
export const TOLD = [
  'scheduled',
  'updating',
  'health_checking',
  'completed',
  'failed',
  'timed_out',
  'unreachable',
  'superseded',
];
export const FAILED = ['failed', 'timed_out', 'unreachable'];

/**
 * Puts up to `$2` devices, those in one of the states `$3`, back on what each of them held before, in one statement. Guard of rule 8: only where the target
 * still holds what this rollout wrote; anything else is someone's later decision, left alone and reported. The device
 * changes state in the same statement, so running it again restores nobody twice. A device not yet told is restored too where
 * it was taken over unproven from an older rollout (`changes` is inherited then): it must not stay on that rollout's image.
 * Joins are on the whole primary key: by the device alone, with statistics older than the rollout, they go quadratic.
 */
const RESTORE_CHUNK = `
with due as materialized (
  select s.rollout_id, s.device_uuid, s.changes from device_rollout_status s
   where s.rollout_id = $1 and s.active and (s.status = any ($3::text[]) or s.status = 'pending' and s.changes <> '[]')
     and ($4::uuid[] is null or s.device_uuid = any ($4))
   order by s.device_uuid limit $2
     for update of s
), held as materialized (
  select due.rollout_id, due.device_uuid, t.version, fleetwave.revert_changes(t.apps, due.changes) as apps
    from due join device_target_state t on t.device_uuid = due.device_uuid
   order by t.device_uuid for update of t
), written as (
  update device_target_state t set apps = h.apps, version = t.version + 1, updated_at = fleetwave.now()
    from held h where t.device_uuid = h.device_uuid and h.apps is not null
), turns as (
  select rollout_id, device_uuid, apps is not null as back, version + 1 as version from held
   union all
  select rollout_id, device_uuid, false, null from due where device_uuid not in (select device_uuid from held)
), moved as (
  update device_rollout_status s
     set status = case when w.back then 'rolling_back' else 'superseded' end,
         reason = case when w.back then s.reason else 'its target was changed by someone else: left alone' end,
         active = w.back,
         target_version = case when w.back then w.version else s.target_version end,
         written_at = case when w.back then fleetwave.clock() else s.written_at end,
         deadline_at = case when w.back then fleetwave.clock() + (
           select make_interval(secs => (r.rules ->> 'rollbackTimeoutSeconds')::float8) from image_rollouts r where r.id = $1) end,
         healthy_since = null, updated_at = fleetwave.now()
    from turns w where s.rollout_id = w.rollout_id and s.device_uuid = w.device_uuid
  returning s.device_uuid, s.batch, s.status, s.reason, s.target_version
), events as (
  insert into rollout_events (rollout_id, type, device_uuid, batch, reason, data)
  select $1, case status when 'rolling_back' then 'device.rollback_scheduled' else 'device.superseded' end, device_uuid, batch, reason,
         jsonb_build_object('version', target_version)
    from moved
)
select count(*)::int as taken, (count(*) filter (where status = 'rolling_back'))::int as restored,
       (count(*) filter (where status = 'superseded'))::int as "leftAlone"
  from moved`;

export interface RestoredChunk {
  taken: number;
  restored: number;
  leftAlone: number;
}

/** Which devices are put back: by their states, and where it is given only those. */
export interface RestoreScope {
  statuses: readonly string[];
  devices: readonly string[] | null;
}

/**
 * Locked in statements of their own, so that the one which restores begins with what is there then. Were it to wait for a row
 * that a report is just moving, its parts would not see the same row: a target was put back whose device stayed where it was.
 */
const LOCK_DEVICES = `
select s.device_uuid as device from device_rollout_status s
 where s.rollout_id = $1 and s.active and (s.status = any ($3::text[]) or s.status = 'pending' and s.changes <> '[]')
   and ($4::uuid[] is null or s.device_uuid = any ($4))
 order by s.device_uuid limit $2 for update of s`;
const LOCK_TARGETS = 'select from device_target_state where device_uuid = any ($1) order by device_uuid for update';

/** Restores one chunk of at most `limit` devices, in the caller's transaction; idempotent by the device's state. */
export async function restoreChunk(
  client: PoolClient,
  rolloutId: string,
  limit: number,
  { statuses, devices }: RestoreScope,
): Promise<RestoredChunk> {
  const locked = await client.query<{ device: string }>(LOCK_DEVICES, [rolloutId, limit, statuses, devices]);
  const due = locked.rows.map(({ device }) => device);
  await client.query(LOCK_TARGETS, [due]);
  const done = await client.query<RestoredChunk>({
    name: 'restore-chunk',
    text: RESTORE_CHUNK,
    values: [rolloutId, limit, statuses, due],
  });
  return done.rows[0] ?? { taken: 0, restored: 0, leftAlone: 0 };
}

/** The rollout is rolling back from here on, and devices not yet told are skipped. Idempotent by the rollout's state. */
export async function openRollback(
  pool: Pool,
  { rolloutId, reason, actor, scope }: { rolloutId: string; reason: string; actor: string; scope: 'all' | 'failed' },
): Promise<void> {
  await pool.query(
    `with rollout as (
       update image_rollouts set status = 'rolling_back', reason = $2, paused_at = null, rollback_scope = $4
        where id = $1 and ended_at is null and status <> 'rolling_back' returning id
     ), event as (
       insert into rollout_events (rollout_id, type, actor, reason) select id, 'rollout.rolling_back', $3, $2 from rollout
     ), waiting as materialized (
       select rollout_id, device_uuid from device_rollout_status
        where rollout_id = $1 and status = 'pending' and (changes = '[]' or not active) order by device_uuid for update
     ), skipped as (
       update device_rollout_status s set status = 'skipped', reason = 'the rollout was rolled back before its turn', active = false, updated_at = fleetwave.now()
         from waiting where s.rollout_id = waiting.rollout_id and s.device_uuid = waiting.device_uuid returning s.device_uuid, s.batch, s.reason
     ), stopped as (
       update rollout_batches set status = 'stopped', ended_at = fleetwave.now(), signalled = null where rollout_id = $1 and ended_at is null
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
     select $1, 'device.skipped', device_uuid, batch, reason from skipped`,
    [rolloutId, reason, actor, scope],
  );
}

/** Past the rollback's deadline: what was not confirmed is `rollback_failed`. */
export async function expireRollback(pool: Pool, rolloutId: string): Promise<void> {
  await pool.query(
    `with late as materialized (
       select rollout_id, device_uuid from device_rollout_status where rollout_id = $1 and status = 'rolling_back' order by device_uuid for update
     ), expired as (
       update device_rollout_status s set status = 'rollback_failed', updated_at = fleetwave.now(),
              reason = 'its previous image was put back but not confirmed in time' || coalesce(' (' || s.reason || ')', '')
         from late where s.rollout_id = late.rollout_id and s.device_uuid = late.device_uuid returning s.device_uuid, s.batch, s.reason
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
     select $1, 'device.rollback_failed', device_uuid, batch, reason from expired`,
    [rolloutId],
  );
}
