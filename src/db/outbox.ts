import type { Pool } from 'pg';
import { endLost } from './lost-rollouts';
import { oldEnoughAt } from './old-enough';

/** A rollout that was accepted and whose workflow is still to be started. */
export interface PendingRollout {
  id: string;
  image: string;
  tag: string;
  digest: string | null;
  attempt: number;
  strategy: string;
  trigger: 'webhook' | 'manual' | 'reconcile';
  actor: string;
  workflowId: string;
  /** What it does about an older rollout that runs under its workflow id. */
  onNewer: 'supersede' | 'queue';
  /** When it may begin by the age of its push; null where its policy asks for none. */
  oldEnoughAt: Date | null;
  revision: string;
  imageName: string;
  pushedAt: Date | null;
  /** Set where it was paused, or was being put back, when its workflow was lost. */
  pausedAt: Date | null;
  pausedBecause: string | null;
  rollingBack: { reason: string | null; actor: string; scope: 'all' | 'failed'; timeoutSeconds: number } | null;
  /** Since it was accepted. */
  ageMs: number;
  /** This try included. */
  attempts: number;
  /** What the last try ended with. */
  lastError: string | null;
}

/** Who said it last, and why, of these events of rollout `r`. */
function lastSaid(...types: string[]): string {
  const listed = types.map((type) => `'${type}'`).join(', ');
  return `(select jsonb_build_object('reason', e.reason, 'actor', e.actor) from rollout_events e
                                             where e.rollout_id = r.id and e.type in (${listed}) order by e.id desc limit 1)`;
}

/**
 * Takes up to `limit` due rollouts for `leaseMs`. No transaction stays open while Temporal is asked: a process that dies
 * meanwhile leaves rows that are due again when the lease is over. Several processes never take the same row.
 */
export async function claimPending(pool: Pool, limit: number, leaseMs: number): Promise<PendingRollout[]> {
  const claimed = await pool.query<PendingRollout>(
    `with due as (
       select id from image_rollouts
        where dispatched_at is null and ended_at is null and dispatch_after <= now()
        order by dispatch_after, id limit $1 for update skip locked
     )
     update image_rollouts r
        set dispatch_after = now() + $2 * interval '1 millisecond', dispatch_attempts = r.dispatch_attempts + 1
       from due where r.id = due.id
     returning r.id, r.image, r.tag, r.digest, r.attempt, r.strategy, r.trigger, r.actor,
               r.workflow_id as "workflowId", coalesce(r.rules ->> 'onNewer', 'supersede') as "onNewer",
               case when (r.rules ->> 'minAgeSeconds')::float8 > 0 then ${oldEnoughAt('r')} end as "oldEnoughAt",
               r.revision, r.image_name as "imageName", r.pushed_at as "pushedAt",
               case when r.status = 'paused' then coalesce(r.paused_at, now()) end as "pausedAt",
               case when r.status = 'paused' then ${lastSaid('command.pause', 'rollout.paused_by_failure')} ->> 'reason' end as "pausedBecause",
               case when r.status = 'rolling_back' then jsonb_build_object('reason', r.reason, 'scope', coalesce(r.rollback_scope, 'all'),
                 'timeoutSeconds', (r.rules ->> 'rollbackTimeoutSeconds')::float8,
                 'actor', coalesce(${lastSaid('rollout.rolling_back', 'rollout.reopened')} ->> 'actor', 'fleetwave')) end as "rollingBack",
               (extract(epoch from fleetwave.now() - r.created_at) * 1000)::float8 as "ageMs",
               r.dispatch_attempts as attempts, r.dispatch_error as "lastError"`,
    [limit, leaseMs],
  );
  return claimed.rows;
}

/** Gives a claimed rollout back, due after the delay, with what stood in the way. */
export async function postponeStart(pool: Pool, rolloutId: string, error: string, delayMs: number): Promise<void> {
  await pool.query(
    `update image_rollouts set dispatch_error = $2, dispatch_after = now() + $3 * interval '1 millisecond'
      where id = $1 and dispatched_at is null`,
    [rolloutId, error, delayMs],
  );
}

export interface Standing {
  /** Whether a rollout may still wait for the run of another one of its tag: not once it has ended or is the older. */
  is: 'ended' | 'older' | 'newer';
  /** The other one has ended by its row: its run is about to close. */
  otherHasEnded: boolean;
  /** The other one waits for its push to be old enough, and has told nobody. */
  otherIsYoung: boolean;
}

export async function standingAgainst(pool: Pool, rolloutId: string, runningId: string | null): Promise<Standing> {
  const { rows } = await pool.query<{ ended: boolean; older: boolean; otherHasEnded: boolean; otherIsYoung: boolean }>(
    `select r.ended_at is not null as ended, coalesce(other.ended_at is not null, false) as "otherHasEnded",
            coalesce(other.planned_at is null and ${oldEnoughAt('other')} > fleetwave.now(), false) as "otherIsYoung",
            coalesce(other.workflow_id = r.workflow_id and (other.created_at, other.id) > (r.created_at, r.id), false) as older
       from image_rollouts r left join image_rollouts other on other.id = $2 where r.id = $1`,
    [rolloutId, runningId],
  );
  const [row] = rows;
  if (row === undefined || row.ended) return { is: 'ended', otherHasEnded: false, otherIsYoung: false };
  const { otherHasEnded, otherIsYoung } = row;
  return { is: row.older ? 'older' : 'newer', otherHasEnded, otherIsYoung };
}

/**
 * Notes that the rollout's workflow was started. Temporal runs one workflow an id, so an older rollout of that id that still
 * looks alive has lost its workflow (terminated, or its history deleted): it ends here, or it would look alive for ever
 * and stand in the way of `image_rollouts_one_running_per_tag`. A newer one is never touched: whoever notes a start late may
 * meet its run. Done twice, the second time changes nothing.
 */
export async function markStarted(
  pool: Pool,
  rollout: Pick<PendingRollout, 'id' | 'workflowId'>,
  runId: string,
): Promise<void> {
  const lost = await pool.query<{ id: string }>(
    `select id from image_rollouts
      where workflow_id = $2 and ended_at is null and (created_at, id) < (select created_at, id from image_rollouts where id = $1)`,
    [rollout.id, rollout.workflowId],
  );
  for (const { id } of lost.rows) await endLost(pool, id, 'its workflow ended without finishing it (terminated?)');
  await pool.query(
    `with started as (
       update image_rollouts set dispatched_at = now(), gathers_until = null, dispatch_error = null, run_id = $2 where id = $1 and dispatched_at is null returning id, workflow_id
     )
     insert into rollout_events (rollout_id, type, data) select id, 'rollout.dispatched', jsonb_build_object('workflow_id', workflow_id, 'run_id', $2::text) from started`,
    [rollout.id, runId],
  );
}
