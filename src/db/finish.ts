import type { Pool } from 'pg';
import type { FinalStatus } from '../domain/rollout-states';
import { allowLongStatements, inTransaction } from './transaction';
import { TOLD_UNPROVEN } from './unproven';

/**
 * Ends a rollout, once, in one statement: lets go of its devices, closes what was open, and on `hold` bars the image and
 * revision from being rolled out again until an operator lifts it. Devices that were told and have not proven the image stay
 * with the rollout after its end: their reports still count, and the next rollout of the image inherits what they held before,
 * so that a device always goes back to its last healthy image.
 * @returns workflow ids of the rollouts of the image that are queued: one of them may have waited for this.
 */
export async function finishRollout(
  pool: Pool,
  input: { rolloutId: string; status: FinalStatus; reason: string; actor: string; error: string | null; hold: boolean },
): Promise<string[]> {
  await inTransaction(pool, async (client) => {
    // One statement over all devices of the rollout: it may take longer than others.
    await allowLongStatements(client);
    await client.query(
      `with before as materialized (
       select status from image_rollouts where id = $1
     ), ended as (
       update image_rollouts set status = $2, reason = $3, error = $5, ended_at = fleetwave.now(), paused_at = null,
              started_at = coalesce(started_at, fleetwave.now())
        where id = $1 and ended_at is null returning id, image, tag, revision
     ), hold as (
       insert into image_holds (image, tag, revision, rollout_id, reason)
       select image, tag, revision, id, $3 from ended where $6
       on conflict (image, tag, revision) where lifted_at is null do nothing
     ), batches as (
       update rollout_batches set status = 'stopped', ended_at = fleetwave.now() from ended where rollout_id = ended.id and rollout_batches.ended_at is null
     ), let_go as materialized (
       select rollout_id, device_uuid, status as was from device_rollout_status where rollout_id = $1 and (active or status = 'pending') and exists (select from ended) order by device_uuid for update
     ), devices as (
       update device_rollout_status d
          -- Superseded and active: it keeps what it goes back to for the next rollout.
          set active = d.active and (d.status in (${TOLD_UNPROVEN}, 'superseded')
                                     -- Put back alone: its confirmation still counts.
                                     or d.status = 'rolling_back' and (select status from before) <> 'rolling_back'
                                     or d.status = 'pending' and ($2 = 'superseded' or d.changes <> '[]')),
              status = case when d.status = 'pending' and $2 <> 'superseded' then case when d.changes = '[]' then 'skipped' else 'superseded' end
                            when $2 = 'superseded' and d.status in ('pending', ${TOLD_UNPROVEN}) then 'superseded'
                            else d.status end,
              reason = case when d.status = 'pending' and $2 <> 'superseded' then 'the rollout ended before its turn (' || $2 || ')'
                            when $2 = 'superseded' and d.status in ('pending', ${TOLD_UNPROVEN}) then $3
                            else d.reason end,
              updated_at = fleetwave.now()
         from let_go where d.rollout_id = let_go.rollout_id and d.device_uuid = let_go.device_uuid
       returning d.device_uuid, d.batch, d.status, d.reason, let_go.was
     ), device_events as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
       select $1, 'device.' || status, device_uuid, batch, reason from devices where status <> was and status in ('skipped', 'superseded')
     )
     insert into rollout_events (rollout_id, type, actor, reason, data)
     select id, 'rollout.' || $2::text, $4, $3, case when $5::text is null then '{}' else jsonb_build_object('error', $5::text) end from ended`,
      [input.rolloutId, input.status, input.reason, input.actor, input.error, input.hold],
    );
  });
  const queued = await pool.query<{ workflowId: string }>(
    `select q.workflow_id as "workflowId" from image_rollouts q join image_rollouts r on r.id = $1 and q.image = r.image
      where q.ended_at is null and q.dispatched_at is not null and q.rules ->> 'onNewer' = 'queue'
      order by q.created_at limit 100`,
    [input.rolloutId],
  );
  return queued.rows.map((row) => row.workflowId);
}
