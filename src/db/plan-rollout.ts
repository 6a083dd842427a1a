import type { Pool } from 'pg';
import { onlyRow } from './only-row';
import type { RolloutFacts } from './rollout-facts';
import { lockPlans, TAKE_OVER } from './take-over';
import { inTransaction } from './transaction';

export interface PlannedBatch {
  number: number;
  planned: number;
  requiresApproval: boolean;
  /** Its own times; null, and absent in plans of older releases, stands for the rollout's. */
  delaySeconds?: number | null;
  soakSeconds?: number | null;
}

export interface StoredPlan {
  batches: PlannedBatch[];
  alreadyOnTarget: number;
  /** Devices that run the image, but that the tag rule leaves where they are. */
  leftOut: number;
  /** Workflow ids of the older rollouts that devices were taken from. */
  tookOverFrom: string[];
}

/** Devices seen before, but not within this time, come last in the order. The default of `offline.after_seconds`. */
const OFFLINE_AFTER_SECONDS = 300;

/**
 * Plans a rollout in one statement, whatever the fleet's size: finds the affected devices by the image index, takes them
 * over from older rollouts of the image, orders them (online first, then a hash of device and rollout, so that the same
 * customers are not always first), cuts batches and stores all of it. Devices whose present version the tag rule does not let
 * this one replace are skipped with the reason; so are those that an older rollout is about to bring a newer version, or a
 * tag pushed late would undo it before it has arrived. Versions are compared once for each tag, not for each device. The advisory lock makes plans of one image take
 * turns; without it two plans at once would meet in the unique index of active devices. Rows of older rollouts are locked by
 * device, in the order in which those rollouts lock them to write.
 */
const PLAN = `
with rule as materialized (
  select rules -> 'growth' as growth, coalesce(rules -> 'tagRule' ->> 'kind' = 'semver', false) as by_version,
         coalesce((rules -> 'tagRule' ->> 'allowDowngrade')::boolean, false) as allow_downgrade
    from image_rollouts where id = $1
), affected as materialized (
  select t.device_uuid, d.tags, d.fleet_id, d.last_seen_at,
         fleetwave.image_changes(t.apps, $2, $3, $4, $5) as changes
    from device_target_state t join devices d on d.uuid = t.device_uuid
   where fleetwave.app_images(t.apps) @> array[$2::text] and d.is_active
     and ($6::text is null or d.fleet_id = $6) and ($7::jsonb is null or d.tags @> $7) and ($8::uuid[] is null or d.uuid = any ($8))
), present as materialized (
  select a.*, array(select split_part(split_part(split_part(c ->> 'from', '@', 1), '/', -1), ':', 2)
                      from jsonb_array_elements(a.changes) c where c -> 'from' <> c -> 'to') as present_tags,
         case when by_version then (
           select r.tag from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
            where s.device_uuid = a.device_uuid and s.image = $2 and s.active and s.status = 'pending' and s.rollout_id <> $1
              and r.ended_at is null) end as coming_tag
    from affected a cross join rule
), obstacles as materialized (
  select coalesce(jsonb_object_agg(tag, obstacle) filter (where obstacle is not null), '{}') as by_tag
    from (select distinct tag from present cross join lateral unnest(present_tags || coming_tag) tag where tag <> '') tags
   cross join rule cross join lateral fleetwave.version_obstacle($3, tag, allow_downgrade) obstacle
   where by_version
), judged as materialized (
  select present.*, cardinality(present_tags) = 0 as on_target,
         case when cardinality(present_tags) = 0 then 'already on target' else coalesce(
           (select by_tag ->> tag from unnest(present_tags) tag where by_tag ? tag limit 1),
           case when starts_with(by_tag ->> coming_tag, 'downgrade') then (by_tag ->> coming_tag) || ', which another rollout is about to bring' end) end as left_out_reason
    from present cross join obstacles
), ordered as (
  select *, row_number() over (order by (last_seen_at is null or last_seen_at > now() - make_interval(secs => ${OFFLINE_AFTER_SECONDS})) desc,
                                        md5(device_uuid::text || $1::uuid::text), device_uuid) as position
    from judged where left_out_reason is null
), batched as (
  select b.device_uuid, b.batch, b.approval, steps -> (b.step - 1) as step
    from (select array_agg(device_uuid order by position) as devices, array_agg(tags order by position) as tags,
                 array_agg(fleet_id order by position) as fleets, count(*) as total from ordered) list
   cross join rule
   cross join lateral (select case when jsonb_typeof(rule.growth) = 'object' then fleetwave.growing_steps(rule.growth, list.total) else $9::jsonb end) cut (steps)
   cross join lateral fleetwave.assign_batches(list.devices, list.tags, list.fleets, steps) b
   where list.devices is not null
), claimable as materialized (
  select device_uuid, batch from batched where $10
), ${TAKE_OVER}, planned as (
  insert into device_rollout_status (rollout_id, device_uuid, image, batch, active, changes)
  select $1, device_uuid, $2, new_batch, true, inherited from taken
   union all
  select $1, device_uuid, $2, batch, $10, '[]' from batched where device_uuid not in (select device_uuid from taken)
), left_out as (
  insert into device_rollout_status (rollout_id, device_uuid, image, status, reason, active, changes)
  select $1, device_uuid, $2, 'skipped', left_out_reason, false, changes from judged where left_out_reason is not null
), left_out_events as (
  insert into rollout_events (rollout_id, type, device_uuid, reason)
  select $1, 'device.skipped', device_uuid, left_out_reason from judged where not on_target and left_out_reason is not null
), batches as (
  insert into rollout_batches (rollout_id, number, planned, requires_approval, delay_seconds, soak_seconds)
  select $1, batch, count(*), bool_or(approval), (step ->> 'delaySeconds')::int, (step ->> 'soakSeconds')::int
    from batched group by batch, step
  returning number, planned, requires_approval, delay_seconds, soak_seconds
), summary as (
  select coalesce((select jsonb_agg(jsonb_build_object(
           'number', number, 'planned', planned, 'requiresApproval', requires_approval,
           'delaySeconds', delay_seconds, 'soakSeconds', soak_seconds) order by number) from batches), '[]') as batches,
         (select count(*)::int from judged where on_target) as on_target,
         (select count(*)::int from judged where not on_target and left_out_reason is not null) as left_out,
         (select coalesce(array_agg(distinct workflow_id), '{}') from taken where not ended) as took_over
), event as (
  insert into rollout_events (rollout_id, type, data)
  select $1, 'rollout.planned', jsonb_build_object('already_on_target', on_target, 'left_out', left_out, 'batches',
           (select coalesce(jsonb_agg(jsonb_build_object('number', b -> 'number', 'planned', b -> 'planned')), '[]') from jsonb_array_elements(batches) b)) from summary
)
update image_rollouts set planned_at = now(), started_at = coalesce(started_at, now()), left_out = summary.left_out from summary
 where id = $1 and planned_at is null and ended_at is null
returning summary.batches, summary.on_target as "alreadyOnTarget", summary.left_out as "leftOut", summary.took_over as "tookOverFrom"`;

/**
 * Stores the plan of a rollout, or reads it when it is there already: running it twice plans once.
 * @returns null when the rollout has ended.
 */
export async function planRollout(pool: Pool, rollout: RolloutFacts): Promise<StoredPlan | null> {
  const { selection, rules } = rollout;
  return inTransaction(pool, async (client) => {
    await lockPlans(client, rollout.image);
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
        // Nobody loses a device to a rollout that a person may still refuse: those are claimed when it is approved.
        !rules.requiresApproval,
      ]);
      return stored.rows[0] ?? null;
    }
    const batches = await client.query<PlannedBatch>(
      'select number, planned, requires_approval as "requiresApproval", delay_seconds as "delaySeconds", soak_seconds as "soakSeconds" from rollout_batches where rollout_id = $1 order by number',
      [rollout.id],
    );
    const unplanned = await client.query<{ alreadyOnTarget: number; leftOut: number }>(
      `select (select count(*)::int from device_rollout_status where rollout_id = $1 and batch is null) - left_out as "alreadyOnTarget",
              left_out as "leftOut" from image_rollouts where id = $1`,
      [rollout.id],
    );
    return { batches: batches.rows, tookOverFrom: [], ...onlyRow(unplanned) };
  });
}
