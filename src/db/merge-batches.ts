import type { Pool } from 'pg';
import type { PlannedBatch } from './plan-rollout';

/**
 * Makes the planned batches that have not started one, under the number of the first of them. Idempotent: one batch is merged
 * into itself. Devices go along whatever became of them: one that is being put back has its times from its batch's row.
 * @returns the batch, or null when none is left.
 */
export async function mergeBatches(pool: Pool, rolloutId: string, actor: string): Promise<PlannedBatch | null> {
  const merged = await pool.query<PlannedBatch>(
    `with open as materialized (
       select number, planned from rollout_batches
        where rollout_id = $1 and lane = 'plan' and status = 'pending' order by number for update
     ), first as (
       select min(number) as number, sum(planned)::int as planned, count(*) as batches from open
     ), devices as materialized (
       select s.rollout_id, s.device_uuid from device_rollout_status s, first
        where s.rollout_id = $1 and s.batch > first.number and s.batch in (select number from open)
        order by s.device_uuid for update of s
     ), moved as (
       update device_rollout_status s set batch = first.number, updated_at = fleetwave.now()
         from devices d, first where s.rollout_id = d.rollout_id and s.device_uuid = d.device_uuid
     ), emptied as (
       delete from rollout_batches b using first where b.rollout_id = $1 and b.number > first.number and b.number in (select number from open)
     ), event as (
       insert into rollout_events (rollout_id, type, actor, batch, data)
       select $1, 'rollout.batches_merged', $2, number, jsonb_build_object('batches', batches, 'planned', planned) from first where batches > 1
     )
     update rollout_batches b set planned = first.planned, requires_approval = false, delay_seconds = 0, soak_seconds = null
       from first where b.rollout_id = $1 and b.number = first.number
     returning b.number, b.planned, b.requires_approval as "requiresApproval", b.delay_seconds as "delaySeconds", b.soak_seconds as "soakSeconds"`,
    [rolloutId, actor],
  );
  return merged.rows[0] ?? null;
}
