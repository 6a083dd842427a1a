import type { Pool } from 'pg';
import { oldEnoughAt } from './old-enough';
import { onlyRow } from './only-row';
import { PLAN_SELECTION, planParameters } from './plan-selection';
import type { RolloutFacts } from './rollout-facts';
import { lockPlans, TAKE_OVER, type QueuedBehind } from './take-over';
import { ALREADY_ON_TARGET } from './tally';
import { inTransaction } from './transaction';

export interface PlannedBatch {
  number: number;
  planned: number;
  requiresApproval: boolean;
  /** Its own times; null, and absent in plans of older releases, stands for the rollout's. */
  delaySeconds?: number | null;
  soakSeconds?: number | null;
  /** It has its verdict: a workflow that starts again passes it over. */
  ended?: boolean;
  /** Its verdict was a failure: a workflow that starts again judges it before it tells anybody else. */
  failed?: boolean;
}

export interface StoredPlan {
  batches: PlannedBatch[];
  alreadyOnTarget: number;
  /** Devices that run the image, but that the tag rule leaves where they are. */
  leftOut: number;
  /** Workflow ids of the older rollouts that devices were taken from. */
  tookOverFrom: string[];
}

/**
 * Plans a rollout in one statement, whatever the fleet's size: takes the devices of the selection over from older rollouts of
 * the image and stores all of it. The advisory lock makes plans of one image take turns; without it two plans at once would
 * meet in the unique index of active devices. Rows of older rollouts are locked by device, in the order in which those
 * rollouts lock them to write.
 */
const PLAN = `
${PLAN_SELECTION}, claimable as materialized (
  select device_uuid, batch from batched where $11
), ${TAKE_OVER}, planned as (
  insert into device_rollout_status (rollout_id, device_uuid, image, batch, active, changes, failing_before)
  select $1, device_uuid, $2, new_batch, true, inherited, inherited_failing from taken
   union all
  select $1, device_uuid, $2, batch, $11, '[]', false from batched where device_uuid not in (select device_uuid from taken)
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
           'delaySeconds', delay_seconds, 'soakSeconds', soak_seconds, 'ended', false, 'failed', false) order by number) from batches), '[]') as batches,
         (select count(*)::int from judged where on_target) as on_target,
         (select count(*)::int from judged where not on_target and left_out_reason is not null) as left_out,
         (select coalesce(array_agg(distinct workflow_id), '{}') from taken where not ended) as took_over
), event as (
  insert into rollout_events (rollout_id, type, data)
  select $1, 'rollout.planned', jsonb_build_object('already_on_target', on_target, 'left_out', left_out, 'batches',
           (select coalesce(jsonb_agg(jsonb_build_object('number', b -> 'number', 'planned', b -> 'planned')), '[]') from jsonb_array_elements(batches) b)) from summary
)
update image_rollouts set planned_at = fleetwave.now(), started_at = coalesce(started_at, fleetwave.now()), left_out = summary.left_out from summary
 where id = $1 and planned_at is null and ended_at is null
returning summary.batches, summary.on_target as "alreadyOnTarget", summary.left_out as "leftOut", summary.took_over as "tookOverFrom"`;

/**
 * The oldest of those that go first: it has some of the devices, or selects them and is not planned yet, so that several that
 * are queued go in the order in which they were accepted. One that still waits for its push to be old enough is passed.
 */
const OLDER_HOLDERS = `${PLAN_SELECTION}, ahead as (
  select s.rollout_id from batched b
    join device_rollout_status s on s.device_uuid = b.device_uuid and s.image = $2 and s.active and s.rollout_id <> $1
   union all
  select r.id from image_rollouts r cross join batched b join devices d on d.uuid = b.device_uuid
   where r.image = $2 and r.planned_at is null and r.ended_at is null and ${oldEnoughAt('r')} <= fleetwave.now()
     and (r.selection -> 'fleetId' is null or d.fleet_id = r.selection ->> 'fleetId') and (r.selection -> 'deviceTags' is null or d.tags @> (r.selection -> 'deviceTags'))
     and (r.selection -> 'deviceUuids' is null or r.selection -> 'deviceUuids' ? d.uuid::text)
)
select r.id as "rolloutId", r.tag, count(*)::int as devices
  from ahead join image_rollouts r on r.id = ahead.rollout_id and r.ended_at is null
  join image_rollouts own on own.id = $1 and (r.created_at, r.id) < (own.created_at, own.id)
 group by r.id order by r.created_at limit 1`;

/**
 * Stores the plan of a rollout, or reads it when it is there already: running it twice plans once.
 * @returns null when the rollout has ended; where its policy says `queue`, the older rollout that it has to wait for.
 */
export async function planRollout(
  pool: Pool,
  rollout: RolloutFacts,
): Promise<StoredPlan | { queuedBehind: QueuedBehind } | null> {
  return inTransaction(pool, async (client) => {
    await lockPlans(client, rollout.image);
    const state = await client.query<{ planned: boolean; ended: boolean }>(
      // One that was reopened to be put back is another workflow's: to whoever starts this one again, it has ended.
      `select planned_at is not null as planned, ended_at is not null or starts_with(workflow_id, 'rollback:') as ended from image_rollouts where id = $1 for no key update`,
      [rollout.id],
    );
    if (state.rows[0]?.ended !== false) return null;
    if (!state.rows[0].planned) {
      if (rollout.rules.onNewer === 'queue') {
        const { rows } = await client.query<QueuedBehind>(OLDER_HOLDERS, planParameters(rollout));
        if (rows[0] !== undefined) return { queuedBehind: rows[0] };
      }
      const stored = await client.query<StoredPlan>(PLAN, [
        ...planParameters(rollout),
        // Nobody loses a device to a rollout that a person may still refuse: those are claimed when it is approved.
        !rollout.rules.requiresApproval,
      ]);
      return stored.rows[0] ?? null;
    }
    const batches = await client.query<PlannedBatch>(
      'select number, planned, requires_approval as "requiresApproval", delay_seconds as "delaySeconds", soak_seconds as "soakSeconds", ended_at is not null as ended, status = \'failed\' as failed from rollout_batches where rollout_id = $1 and lane = \'plan\' order by number',
      [rollout.id],
    );
    const unplanned = await client.query<{ alreadyOnTarget: number; leftOut: number }>(
      `select ${ALREADY_ON_TARGET} as "alreadyOnTarget",
              left_out as "leftOut" from image_rollouts where id = $1`,
      [rollout.id],
    );
    return { batches: batches.rows, tookOverFrom: [], ...onlyRow(unplanned) };
  });
}
