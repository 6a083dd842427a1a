import type { Pool, PoolClient } from 'pg';
import { allowLongStatements, inTransaction } from './transaction';
import { TOLD_UNPROVEN } from './unproven';

/** States in which a device was told of an image and has not proven it: what it goes back to is what it held before that. */
const UNPROVEN = `('pending', ${TOLD_UNPROVEN}, 'superseded')`;

/** Of a rollout `r`: what it had proven is being taken back. */
export const TAKEN_BACK = `r.status = 'rolling_back' and r.rollback_scope is distinct from 'failed'`;

/**
 * Takes the devices of `claimable (device_uuid, batch)` over from older rollouts ($1: the new rollout, $2: the image). Rows of
 * rollouts that are under way become `superseded`; those of ended ones only give the device up. `taken` has one row for each,
 * with what it passes on. What a rollout that is rolling back had proven is what it takes back, so that passes nothing on as
 * healthy. Rows are locked by device, in the order in which their own rollouts lock them to write.
 */
export const TAKE_OVER = `held as materialized (
  select s.rollout_id, s.device_uuid, c.batch, r.workflow_id, r.ended_at is not null as ended,
         s.status in ${UNPROVEN} or s.status = 'completed' and ${TAKEN_BACK} as unproven,
         r.ended_at is null and (s.status not in ('completed', 'rolled_back', 'rollback_failed', 'superseded')
                                 or s.status = 'completed' and ${TAKEN_BACK}) as interrupted
    from claimable c
    join device_rollout_status s on s.device_uuid = c.device_uuid and s.image = $2 and s.active and s.rollout_id <> $1
    join image_rollouts r on r.id = s.rollout_id
   order by s.device_uuid for update of s
), taken as (
  update device_rollout_status s
     set active = false, updated_at = fleetwave.now(),
         status = case when h.interrupted then 'superseded' else s.status end,
         reason = case when h.interrupted then 'taken over by a newer rollout' else s.reason end
    from held h where s.rollout_id = h.rollout_id and s.device_uuid = h.device_uuid
  returning s.device_uuid, s.rollout_id, s.batch, h.batch as new_batch, h.workflow_id, h.ended, h.interrupted,
            case when h.unproven then s.changes else '[]' end as inherited, h.unproven and s.failing_before as inherited_failing
), taken_events as (
  insert into rollout_events (rollout_id, type, device_uuid, batch, reason, data)
  select rollout_id, 'device.superseded', device_uuid, batch, 'taken over by a newer rollout', jsonb_build_object('by', $1::uuid)
    from taken where interrupted
)`;

/** An older rollout that has devices which this one would plan, and that it waits for. */
export interface QueuedBehind {
  rolloutId: string;
  tag: string;
  devices: number;
}

export interface Claimed {
  /** Workflow ids of the older rollouts that devices were taken from. */
  tookOverFrom: string[];
  behind: QueuedBehind | null;
}

/** Plans and claims of one image take turns: two at once would meet in the unique index of active devices. */
export async function lockPlans(client: PoolClient, image: string): Promise<void> {
  // A plan is one statement over the whole fleet: it may take longer than others.
  await allowLongStatements(client);
  await client.query(`select pg_advisory_xact_lock(hashtextextended('fleetwave.plan:' || $1, 0))`, [image]);
}

/**
 * Claims the devices of a plan that waited for approval, taking them over from older rollouts, and leaves those to a newer one
 * that it has by now. One that queues takes nothing: it says whom it waits for. Idempotent: a claimed device is active.
 */
export async function claimDevices(
  pool: Pool,
  rollout: { id: string; image: string; queues: boolean },
): Promise<Claimed> {
  return inTransaction(pool, async (client) => {
    await lockPlans(client, rollout.image);
    const behind = rollout.queues ? await readHolder(client, rollout.id) : null;
    if (behind !== null) return { tookOverFrom: [], behind };
    const claimed = await client.query<{ tookOverFrom: string[] }>(
      `with waiting as materialized (
         select m.rollout_id, m.device_uuid, m.batch,
                exists (select from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
                         where s.device_uuid = m.device_uuid and s.image = $2 and s.active and r.created_at > own.created_at) as newer
           from device_rollout_status m join image_rollouts own on own.id = m.rollout_id
          where m.rollout_id = $1 and m.status = 'pending' and not m.active order by m.device_uuid for update of m
       ), claimable as materialized (
         select device_uuid, batch from waiting where not newer
       ), ${TAKE_OVER}, outcomes as (
         select $1::uuid as rollout_id, device_uuid, 'pending' as status, null as reason, inherited, inherited_failing from taken
          union all
         select rollout_id, device_uuid, 'pending', null, '[]', false from waiting
          where not newer and device_uuid not in (select device_uuid from taken)
          union all
         select rollout_id, device_uuid, 'skipped', 'a newer rollout has it by now', '[]', false from waiting where newer
       ), claimed as (
         update device_rollout_status d
            set active = o.status = 'pending', status = o.status, reason = o.reason, changes = o.inherited, failing_before = o.inherited_failing, updated_at = fleetwave.now()
           from outcomes o where d.rollout_id = o.rollout_id and d.device_uuid = o.device_uuid
         returning d.device_uuid, d.batch, d.status, d.reason
       ), skipped_events as (
         insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
         select $1, 'device.skipped', device_uuid, batch, reason from claimed where status = 'skipped'
       )
       select coalesce(array_agg(distinct workflow_id) filter (where not ended), '{}') as "tookOverFrom" from taken`,
      [rollout.id, rollout.image],
    );
    return { tookOverFrom: claimed.rows[0]?.tookOverFrom ?? [], behind: null };
  });
}

/** An older rollout that runs and has devices which this one has planned. */
async function readHolder(client: PoolClient, rolloutId: string): Promise<QueuedBehind | null> {
  const { rows } = await client.query<QueuedBehind>(
    `select r.id as "rolloutId", r.tag, count(*)::int as devices
       from device_rollout_status own join image_rollouts mine on mine.id = own.rollout_id
       join device_rollout_status s on s.device_uuid = own.device_uuid and s.image = own.image and s.active and s.rollout_id <> own.rollout_id
       join image_rollouts r on r.id = s.rollout_id and r.ended_at is null and r.created_at < mine.created_at
      where own.rollout_id = $1 and own.status = 'pending' group by r.id order by r.created_at limit 1`,
    [rolloutId],
  );
  return rows[0] ?? null;
}
