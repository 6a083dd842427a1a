import type { Pool } from 'pg';
import type { RolloutFacts } from './rollout-facts';
import { inTransaction } from './transaction';

export interface PlannedBatch {
  number: number;
  planned: number;
  requiresApproval: boolean;
}

export interface StoredPlan {
  batches: PlannedBatch[];
  alreadyOnTarget: number;
  /** Workflow ids of the older rollouts that devices were taken from. */
  tookOverFrom: string[];
}

/** Devices seen before, but not within this time, come last in the order. The default of `offline.after_seconds`. */
const OFFLINE_AFTER_SECONDS = 300;

/**
 * Plans a rollout in one statement, whatever the fleet's size: finds the affected devices by the image index, takes them
 * over from older rollouts of the image, orders them (online first, then a hash of device and rollout, so that the same
 * customers are not always first), cuts batches and stores all of it. The advisory lock makes plans of one image take
 * turns; without it two plans at once would meet in the unique index of active devices. Rows of older rollouts are locked by
 * device, in the order in which those rollouts lock them to write.
 */
const PLAN = `
with affected as materialized (
  select t.device_uuid, d.tags, d.fleet_id, d.last_seen_at,
         fleetwave.image_changes(t.apps, $2, $3, $4, $5) as changes
    from device_target_state t join devices d on d.uuid = t.device_uuid
   where fleetwave.app_images(t.apps) @> array[$2::text] and d.is_active
     and ($6::text is null or d.fleet_id = $6) and ($7::jsonb is null or d.tags @> $7) and ($8::uuid[] is null or d.uuid = any ($8))
), judged as (
  select *, not exists (select from jsonb_array_elements(changes) c where c -> 'from' <> c -> 'to') as on_target from affected
), ordered as (
  select *, row_number() over (order by (last_seen_at is null or last_seen_at > now() - make_interval(secs => ${OFFLINE_AFTER_SECONDS})) desc,
                                        md5(device_uuid::text || $1::uuid::text), device_uuid) as position
    from judged where not on_target
), batched as (
  select b.device_uuid, b.batch, b.approval
    from (select array_agg(device_uuid order by position) as devices, array_agg(tags order by position) as tags,
                 array_agg(fleet_id order by position) as fleets from ordered) list
   cross join lateral fleetwave.assign_batches(list.devices, list.tags, list.fleets, $9::jsonb) b
   where list.devices is not null
), held as materialized (
  select s.rollout_id, s.device_uuid, b.batch
    from batched b join device_rollout_status s on s.device_uuid = b.device_uuid and s.image = $2 and s.active and s.rollout_id <> $1
   order by s.device_uuid for update of s
), taken as (
  update device_rollout_status s
     set active = false, updated_at = now(),
         status = case when s.status in ('completed', 'rolled_back', 'rollback_failed', 'superseded') then s.status else 'superseded' end,
         reason = case when s.status in ('completed', 'rolled_back', 'rollback_failed', 'superseded') then s.reason else 'taken over by a newer rollout' end
    from held h where s.rollout_id = h.rollout_id and s.device_uuid = h.device_uuid
  returning s.device_uuid, s.rollout_id, s.batch, s.status, s.changes, h.batch as new_batch
), taken_events as (
  insert into rollout_events (rollout_id, type, device_uuid, batch, reason, data)
  select rollout_id, 'device.superseded', device_uuid, batch, 'taken over by a newer rollout', jsonb_build_object('by', $1::uuid)
    from taken where status = 'superseded'
), planned as (
  insert into device_rollout_status (rollout_id, device_uuid, image, batch, changes)
  select $1, device_uuid, $2, new_batch, case when status = 'superseded' then changes else '[]' end from taken
   union all
  select $1, device_uuid, $2, batch, '[]' from batched where device_uuid not in (select device_uuid from taken)
), left_out as (
  insert into device_rollout_status (rollout_id, device_uuid, image, status, reason, active, changes)
  select $1, device_uuid, $2, 'skipped', 'already on target', false, changes from judged where on_target
  returning device_uuid
), batches as (
  insert into rollout_batches (rollout_id, number, planned, requires_approval)
  select $1, batch, count(*), bool_or(approval) from batched group by batch
  returning number, planned, requires_approval
), summary as (
  select coalesce((select jsonb_agg(jsonb_build_object('number', number, 'planned', planned, 'requiresApproval', requires_approval) order by number) from batches), '[]') as batches,
         (select count(*)::int from left_out) as on_target,
         (select coalesce(array_agg(distinct r.workflow_id), '{}') from taken join image_rollouts r on r.id = taken.rollout_id where r.ended_at is null) as took_over
), event as (
  insert into rollout_events (rollout_id, type, data)
  select $1, 'rollout.planned', jsonb_build_object('batches', batches, 'already_on_target', on_target) from summary
)
update image_rollouts set planned_at = now(), started_at = coalesce(started_at, now()) from summary
 where id = $1 and planned_at is null and ended_at is null
returning summary.batches, summary.on_target as "alreadyOnTarget", summary.took_over as "tookOverFrom"`;

/**
 * Stores the plan of a rollout, or reads it when it is there already: running it twice plans once.
 * @returns null when the rollout has ended.
 */
export async function planRollout(pool: Pool, rollout: RolloutFacts): Promise<StoredPlan | null> {
  const { selection, rules } = rollout;
  return inTransaction(pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('fleetwave.plan:' || $1, 0))`, [rollout.image]);
    const state = await client.query<{ planned: boolean; ended: boolean }>(
      'select planned_at is not null as planned, ended_at is not null as ended from image_rollouts where id = $1 for update',
      [rollout.id],
    );
    if (state.rows[0]?.ended !== false) return null;
    if (!state.rows[0].planned) {
      const stored = await client.query<StoredPlan>(PLAN, [
        rollout.id,
        rollout.image,
        rollout.tag,
        rollout.digest,
        rules.pin,
        selection.fleetId ?? null,
        selection.deviceTags === undefined ? null : JSON.stringify(selection.deviceTags),
        selection.deviceUuids ?? null,
        JSON.stringify(rules.steps),
      ]);
      return stored.rows[0] ?? null;
    }
    const batches = await client.query<PlannedBatch>(
      'select number, planned, requires_approval as "requiresApproval" from rollout_batches where rollout_id = $1 order by number',
      [rollout.id],
    );
    const onTarget = await client.query<{ count: number }>(
      `select count(*)::int as count from device_rollout_status where rollout_id = $1 and batch is null`,
      [rollout.id],
    );
    return { batches: batches.rows, alreadyOnTarget: onTarget.rows[0]?.count ?? 0, tookOverFrom: [] };
  });
}
