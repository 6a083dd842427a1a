import type { Pool } from 'pg';
import { finishRollout } from './finish';

/** A rollout whose workflow was started, of which nothing was heard for long. */
export interface SilentRollout {
  id: string;
  workflowId: string;
}

/** The rollout, if its workflow was started and it has not ended. */
export async function readDispatched(pool: Pool, rolloutId: string): Promise<SilentRollout | null> {
  const { rows } = await pool.query<SilentRollout>(
    'select id, workflow_id as "workflowId" from image_rollouts where id = $1 and dispatched_at is not null and ended_at is null',
    [rolloutId],
  );
  return rows[0] ?? null;
}

/**
 * Takes up to `limit` rollouts of which nothing was heard for `silentMs`: each of them once in that time, over all
 * processes. `dispatch_after` is free for it, a row that was dispatched is due for nothing else.
 */
export async function claimSilent(pool: Pool, limit: number, silentMs: number): Promise<SilentRollout[]> {
  const { rows } = await pool.query<SilentRollout>(
    `with silent as (
       select r.id from image_rollouts r
        where r.dispatched_at < now() - $2 * interval '1 millisecond' and r.ended_at is null and r.dispatch_after <= now()
          and (select at from rollout_events e where e.rollout_id = r.id order by e.id desc limit 1) < now() - $2 * interval '1 millisecond'
        order by r.dispatch_after, r.id limit $1 for update skip locked
     )
     update image_rollouts r set dispatch_after = now() + $2 * interval '1 millisecond' from silent where r.id = silent.id
     returning r.id, r.workflow_id as "workflowId"`,
    [limit, silentMs],
  );
  return rows;
}

/**
 * Gives a rollout whose workflow Temporal does not know any more back to the outbox, which starts it again: it finds its plan,
 * passes over the devices that were told, and judges each batch from their states; approvals are asked for again. Its numbers
 * and what was signalled begin anew, as the workflow does.
 * @returns false where a new workflow could not know what the lost one did: that was paused or rolling back, or is overtaken.
 */
export async function restartLost(pool: Pool, rolloutId: string, reason: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `with again as (
       update image_rollouts r set dispatched_at = null, run_id = null, dispatch_after = now(), dispatch_error = $2, progress_seq = 0
        where r.id = $1 and r.ended_at is null and r.dispatched_at is not null and r.paused_at is null
          and r.status in ('pending', 'awaiting_approval', 'scheduled', 'in_progress')
          and not exists (select from image_rollouts n where n.image = r.image and n.workflow_id = r.workflow_id
                             and (n.created_at, n.id) > (r.created_at, r.id))
       returning id
     ), unsignalled as (
       update rollout_batches set signalled = null from again where rollout_id = again.id
     )
     insert into rollout_events (rollout_id, type, reason) select id, 'rollout.restarted', $2 from again returning id`,
    [rolloutId, reason],
  );
  return rowCount === 1;
}

/** Ends a rollout that has lost its workflow: what was told stays told, and the next rollout of the image takes it over. */
export async function endLost(pool: Pool, rolloutId: string, why: string): Promise<void> {
  const { rows } = await pool.query<{ reopened: boolean }>(
    `select starts_with(workflow_id, 'rollback:') as reopened from image_rollouts where id = $1`,
    [rolloutId],
  );
  const remedy =
    rows[0]?.reopened === true
      ? 'devices that had not confirmed their rollback may be on either image; POST /api/v1/rollouts/<id>/rollback goes on with it'
      : 'devices it had told stay as they are; POST /api/v1/images/trigger-update with "force": true rolls it out again';
  const error = `${why}: ${remedy}`;
  await finishRollout(pool, { rolloutId, status: 'failed', reason: why, actor: 'fleetwave', error, hold: false });
}
