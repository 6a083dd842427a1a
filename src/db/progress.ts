import type { Pool } from 'pg';
import { isFinal, type RolloutStatus } from '../domain/rollout-states';

export interface ProgressEvent {
  type: string;
  actor: string;
  reason: string | null;
  batch: number | null;
  data: Record<string, unknown>;
}

/**
 * Writes what the workflow says of itself: its state, what it waits for, and what happened since the last time. `seq` grows
 * with each call, so a repeated or late one changes nothing. Leaving `paused`, soaks and deadlines of devices are moved on by the time
 * that the pause took: clocks stand still. A final state is not written here: ending is finishRollout's. What was said while the
 * rollout was just ending, or had just ended, is recorded all the same.
 */
export async function recordProgress(
  pool: Pool,
  input: { rolloutId: string; seq: number; status: RolloutStatus; progress: object; events: ProgressEvent[] },
): Promise<void> {
  await pool.query(
    `with before as (
       select id, paused_at, ended_at is null as running from image_rollouts where id = $1 and progress_seq < $2 for no key update
     ), rollout as (
       update image_rollouts r set progress_seq = $2, progress = case when before.running then $4 else r.progress end,
              status = case when before.running and r.status <> 'rolling_back' then coalesce($3, r.status) else r.status end,
              paused_at = case when before.running and $3 = 'paused' then coalesce(r.paused_at, fleetwave.now()) end
         from before where r.id = before.id returning r.id
     ), waited as materialized (
       select s.rollout_id, s.device_uuid, before.paused_at from device_rollout_status s join before on s.rollout_id = before.id
        where before.paused_at is not null and $3 is distinct from 'paused'
          and s.status in ('scheduled', 'updating', 'health_checking', 'rolling_back')
        order by s.device_uuid for update of s
     ), soak as (
       update device_rollout_status s
          set healthy_since = s.healthy_since + (fleetwave.now() - greatest(waited.paused_at, s.healthy_since)),
              deadline_at = s.deadline_at + (fleetwave.now() - greatest(waited.paused_at, s.written_at))
         from waited where s.rollout_id = waited.rollout_id and s.device_uuid = waited.device_uuid
     )
     insert into rollout_events (rollout_id, type, actor, reason, batch, data)
     select rollout.id, e.type, e.actor, e.reason, e.batch, e.data
       from rollout cross join jsonb_to_recordset($5::jsonb) as e (type text, actor text, reason text, batch int, data jsonb)`,
    [
      input.rolloutId,
      input.seq,
      isFinal(input.status) ? null : input.status,
      JSON.stringify(input.progress),
      JSON.stringify(input.events),
    ],
  );
}
