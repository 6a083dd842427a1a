import type { Pool } from 'pg';
import { NO_ADDRESS } from '../domain/checks';
import type { WritePermit } from '../domain/write-permit';

export interface AppliedChunk {
  /** Devices looked at; fewer than asked for means that none is left that may be told now. */
  taken: number;
  written: number;
  alreadyOnTarget: number;
  skipped: number;
  deferred: number;
}

/**
 * Writes the target state of up to `$3` pending devices of a batch, in one statement. The rewriting of `apps` happens
 * inside the UPDATE that bumps `version`, from the row as it is at that moment, so an operator's edit is never lost. A
 * device leaves `pending` in the same statement, so that running it again writes nobody twice. Nothing is written unless
 * the rollout is in progress: a pause or a rollback recorded meanwhile stops the next chunk. Devices whose window is closed
 * (zones: `$4`, null for none), or whose fleet is frozen (`$5`), wait in the batch; those that are offline leave it, to be
 * caught up later. Rows are locked by device, as everywhere, so that no two statements wait for each other; and no two lists of devices are joined, because PostgreSQL
 * takes them for short and compares each with each (2,000 devices: 2.1 s instead of 0.2 s).
 */
const APPLY_CHUNK = `
with rollout as (
  select image, tag, digest, rules ->> 'pin' as pin, rules -> 'tagRule' as tag_rule, fleetwave.has_probes(rules) as probed,
         make_interval(secs => (rules ->> 'offlineAfterSeconds')::float8) as offline_after,
         make_interval(secs => (rules ->> 'healthTimeoutSeconds')::float8) as timeout
    from image_rollouts where id = $1 and status = 'in_progress'
), due as materialized (
  select s.rollout_id, s.device_uuid, s.changes as inherited, s.failing_before, d.last_seen_at < fleetwave.now() - r.offline_after as offline,
         case when r.probed and d.address is null then '${NO_ADDRESS}' end as unchecked
    from device_rollout_status s cross join rollout r join devices d on d.uuid = s.device_uuid
   where s.rollout_id = $1 and s.batch = $2 and s.status = 'pending' and s.deferred_at is null
     and ($4::text[] is null or coalesce(d.timezone, 'UTC') = any ($4)) and (d.fleet_id is null or d.fleet_id <> all ($5::text[]))
   order by s.device_uuid limit $3
     for update of s
), held as materialized (
  select due.rollout_id, due.device_uuid, due.inherited, due.failing_before, due.offline, due.unchecked, t.version, r.tag, r.tag_rule, r.timeout,
         fleetwave.image_changes(t.apps, r.image, r.tag, r.digest, r.pin) as changes
    from due cross join rollout r join device_target_state t on t.device_uuid = due.device_uuid
   order by t.device_uuid for update of t
), sorted as (
  select *, case when jsonb_array_length(changes) = 0 then 'gone'
                 when not exists (select from jsonb_array_elements(changes) c where c -> 'from' <> c -> 'to')
                   then case when inherited = '[]' then 'on target' when offline then 'defer' else 'prove' end
                 when offline then 'defer'
                 when obstacle is not null then 'obstacle' else 'write' end as turn
    from held cross join lateral coalesce(fleetwave.tag_obstacle(tag, changes, tag_rule), unchecked) obstacle
), written as (
  update device_target_state t
     set apps = fleetwave.apply_changes(t.apps, s.changes), version = t.version + 1, updated_at = fleetwave.now()
    from sorted s where t.device_uuid = s.device_uuid and s.turn = 'write'
), turns as (
  select s.rollout_id, s.device_uuid, turn in ('write', 'prove') as told, turn, obstacle, changes, inherited, timeout,
         case turn when 'write' then s.version + 1 else s.version end as version,
         -- What it inherits was not its own fault: then what counts is how it was before the first of those rollouts.
         case when inherited = '[]' then fleetwave.is_failing(changes, c.apps) else failing_before end as failing_before
    from sorted s left join device_current_state c on c.device_uuid = s.device_uuid
   union all
  select rollout_id, device_uuid, false, 'gone', null, '[]', '[]', null, null, false from due where device_uuid not in (select device_uuid from held)
), moved as (
  update device_rollout_status d
     set status = case when s.told then 'scheduled' when s.turn = 'defer' then 'pending'
                       -- It keeps what it goes back to: another rollout's unproven image is on it.
                       when s.turn = 'obstacle' and s.inherited <> '[]' then 'superseded' else 'skipped' end,
         deferred_at = case when s.turn = 'defer' then fleetwave.now() end,
         reason = case s.turn when 'defer' then 'offline at its turn: caught up when it returns' when 'on target' then 'already on target' when 'gone' then 'no longer runs the image' when 'obstacle' then s.obstacle end,
         active = s.told or s.turn = 'defer' or s.turn = 'obstacle' and s.inherited <> '[]',
         changes = case when s.told and s.inherited = '[]' then s.changes when s.told then fleetwave.inherit_previous(s.changes, s.inherited) when s.turn in ('defer', 'obstacle') then d.changes else '[]' end,
         failing_before = s.failing_before,
         target_version = case when s.told then s.version end,
         written_at = case when s.told then fleetwave.clock() end,
         deadline_at = case when s.told then fleetwave.clock() + s.timeout end,
         tries = case when s.told then 1 else 0 end,
         updated_at = fleetwave.now()
    from turns s where d.rollout_id = s.rollout_id and d.device_uuid = s.device_uuid
  returning d.device_uuid, d.status, d.reason, d.target_version
), events as (
  insert into rollout_events (rollout_id, type, device_uuid, batch, reason, data)
  select $1, case status when 'scheduled' then 'device.update_scheduled' when 'pending' then 'device.deferred' else 'device.' || status end, device_uuid, $2, reason,
         jsonb_build_object('version', target_version)
    from moved
)
select count(*)::int as taken, (count(*) filter (where status = 'scheduled'))::int as written,
       (count(*) filter (where reason = 'already on target'))::int as "alreadyOnTarget",
       (count(*) filter (where status = 'skipped' and reason <> 'already on target'))::int as skipped,
       (count(*) filter (where status = 'pending'))::int as deferred
  from moved`;

/** Applies one chunk of at most `limit` devices; idempotent by the device's state. */
export async function applyChunk(
  pool: Pool,
  rolloutId: string,
  batch: number,
  limit: number,
  { zones, frozenFleets }: Pick<WritePermit, 'zones' | 'frozenFleets'>,
): Promise<AppliedChunk> {
  const done = await pool.query<AppliedChunk>({
    name: 'apply-chunk',
    text: APPLY_CHUNK,
    values: [rolloutId, batch, limit, zones, frozenFleets],
  });
  return done.rows[0] ?? { taken: 0, written: 0, alreadyOnTarget: 0, skipped: 0, deferred: 0 };
}

/**
 * Opens a batch: the rollout is in progress and the batch has started, once.
 * @returns false when the rollout may not go on (paused, rolling back, ended): nothing was changed.
 */
export async function openBatch(pool: Pool, rolloutId: string, batch: number): Promise<boolean> {
  const opened = await pool.query(
    `with rollout as (
       update image_rollouts set status = 'in_progress' where id = $1 and status in ('pending', 'awaiting_approval', 'scheduled', 'in_progress') returning id
     ), started as (
       update rollout_batches set status = 'in_progress', started_at = fleetwave.now(), signalled = null
        where rollout_id = $1 and number = $2 and status = 'pending' and exists (select from rollout) returning planned
     ), event as (
       insert into rollout_events (rollout_id, type, batch, data)
       select $1, 'rollout.batch_started', $2, jsonb_build_object('planned', planned) from started
     )
     select 1 from rollout`,
    [rolloutId, batch],
  );
  return opened.rowCount === 1;
}

/** True when the rollout has ended, or is not there any more. */
export async function hasEnded(pool: Pool, rolloutId: string): Promise<boolean> {
  const found = await pool.query('select 1 from image_rollouts where id = $1 and ended_at is null', [rolloutId]);
  return found.rowCount === 0;
}
