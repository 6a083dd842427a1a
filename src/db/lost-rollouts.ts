import type { Pool } from 'pg';
import type { Standing } from '../domain/lost-workflow';
import { finishRollout } from './finish';

/** A rollout that has not ended, or whose workflow is looked at for another reason. */
export interface KnownRollout extends Standing {
  image: string;
  tag: string;
  workflowId: string;
  runId: string | null;
}

const KNOWN = `r.id, r.image, r.tag, r.workflow_id as "workflowId", r.run_id as "runId", r.status, r.dispatched_at is not null as dispatched,
  coalesce(r.rules ->> 'onFailure', 'rollback') as "onFailure"`;

/** The rollout, if its workflow was started and it has not ended. */
export async function readDispatched(pool: Pool, rolloutId: string): Promise<KnownRollout | null> {
  const { rows } = await pool.query<KnownRollout>(
    `select ${KNOWN} from image_rollouts r where id = $1 and dispatched_at is not null and ended_at is null`,
    [rolloutId],
  );
  return rows[0] ?? null;
}

/** The rollout as it is now, whether it has ended or not. */
export async function readStanding(pool: Pool, rolloutId: string): Promise<KnownRollout | null> {
  const { rows } = await pool.query<KnownRollout>(`select ${KNOWN} from image_rollouts r where id = $1`, [rolloutId]);
  return rows[0] ?? null;
}

/** Every rollout that has not ended. There are few: one an image, tag and policy. */
export async function readUnended(pool: Pool): Promise<KnownRollout[]> {
  const { rows } = await pool.query<KnownRollout>(
    `select ${KNOWN} from image_rollouts r where ended_at is null order by created_at, id`,
  );
  return rows;
}

/** A rollout that has ended; the workflow of one that ended `justNow` is about to close. */
export interface EndedRollout extends KnownRollout {
  justNow: boolean;
}

/** Of these rollouts, those that have ended. */
export async function readEnded(pool: Pool, ids: readonly string[]): Promise<EndedRollout[]> {
  const { rows } = await pool.query<EndedRollout>(
    `select ${KNOWN}, ended_at > now() - interval '1 minute' as "justNow" from image_rollouts r where id = any ($1) and ended_at is not null`,
    [ids],
  );
  return rows;
}

/** Of these ids, those that no rollout has. */
export async function readUnknown(pool: Pool, ids: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'select id from unnest($1::uuid[]) as id where not exists (select from image_rollouts r where r.id = id.id)',
    [ids],
  );
  return rows.map((row) => row.id);
}

/**
 * Takes up to `limit` rollouts of which nothing was heard for `silentMs`: each of them once in that time, over all
 * processes. `dispatch_after` is free for it, a row that was dispatched is due for nothing else.
 */
export async function claimSilent(pool: Pool, limit: number, silentMs: number): Promise<KnownRollout[]> {
  const { rows } = await pool.query<KnownRollout>(
    `with silent as (
       select r.id from image_rollouts r
        where r.dispatched_at < now() - $2 * interval '1 millisecond' and r.ended_at is null and r.dispatch_after <= now()
          and (select at from rollout_events e where e.rollout_id = r.id order by e.id desc limit 1) < now() - $2 * interval '1 millisecond'
        order by r.dispatch_after, r.id limit $1 for update skip locked
     )
     update image_rollouts r set dispatch_after = now() + $2 * interval '1 millisecond' from silent where r.id = silent.id
     returning ${KNOWN}`,
    [limit, silentMs],
  );
  return rows;
}

/** A newer push has the workflow's id of rollout `r`. */
const IS_OVERTAKEN = `exists (select from image_rollouts n where n.image = r.image and n.workflow_id = r.workflow_id
                             and (n.created_at, n.id) > (r.created_at, r.id))`;

/** Whether the rollout goes on by its row, though its workflow's id is a newer push's: no workflow can finish it. */
export async function isOvertaken(pool: Pool, rolloutId: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from image_rollouts r where r.id = $1 and r.ended_at is null and r.dispatched_at is not null and ${IS_OVERTAKEN}`,
    [rolloutId],
  );
  return rowCount === 1;
}

/**
 * Gives a rollout whose workflow is lost back to the outbox, which starts it again: it finds its plan, passes over the devices
 * that were told, and judges each batch from their states; one that was paused stays so, one that was being put back goes on with
 * that. Approvals are asked for again. Its numbers and what was signalled begin anew, as the workflow does.
 * @returns false where it has ended, waits for its start already, or is overtaken by a newer push under its workflow's id.
 */
export async function restartLost(pool: Pool, rolloutId: string, reason: string, paused = false): Promise<boolean> {
  const { rowCount } = await pool.query(
    `with again as (
       update image_rollouts r
          set dispatched_at = null, run_id = null, dispatch_after = now(), dispatch_error = $2, progress_seq = 0,
              paused_at = case when $3 and status <> 'rolling_back' then coalesce(paused_at, now()) else paused_at end,
              status = case when $3 and status <> 'rolling_back' then 'paused' else status end
        where r.id = $1 and r.ended_at is null and r.dispatched_at is not null
          and not ${IS_OVERTAKEN}
       returning id
     ), unsignalled as (
       update rollout_batches set signalled = null from again where rollout_id = again.id
     )
     insert into rollout_events (rollout_id, type, reason) select id, 'rollout.restarted', $2 from again returning id`,
    [rolloutId, reason, paused],
  );
  return rowCount === 1;
}

/** Ends a rollout that has lost its workflow: what was told stays told, and the next rollout of the image takes it over. */
export async function endLost(
  pool: Pool,
  rolloutId: string,
  why: string,
  status: 'failed' | 'cancelled' = 'failed',
): Promise<void> {
  const { rows } = await pool.query<{ reopened: boolean }>(
    `select starts_with(workflow_id, 'rollback:') as reopened from image_rollouts where id = $1`,
    [rolloutId],
  );
  const remedy =
    rows[0]?.reopened === true
      ? 'devices that had not confirmed their rollback may be on either image; POST /api/v1/rollouts/<id>/rollback goes on with it'
      : 'devices it had told stay as they are; POST /api/v1/images/trigger-update with "force": true rolls it out again';
  const error = status === 'failed' ? `${why}: ${remedy}` : null;
  await finishRollout(pool, { rolloutId, status, reason: why, actor: 'fleetwave', error, hold: false });
}

/** What a rollout's row has of what its workflow did. */
export interface Recorded {
  progressSeq: number;
  planned: boolean;
  /** Numbers of the batches that have their verdict. */
  closed: number[];
}

export async function readRecorded(pool: Pool, rolloutId: string): Promise<Recorded> {
  const { rows } = await pool.query<Recorded>(
    `select r.progress_seq::float8 as "progressSeq", r.planned_at is not null as planned,
            array(select b.number from rollout_batches b where b.rollout_id = r.id and b.ended_at is not null) as closed
       from image_rollouts r where r.id = $1`,
    [rolloutId],
  );
  return rows[0] ?? { progressSeq: 0, planned: false, closed: [] };
}
