import type { Pool, PoolClient } from 'pg';
import { nothingToPutBack } from '../domain/put-back';
import type { RolloutStatus } from '../domain/rollout-states';
import { claimBack } from './claim-back';
import { readLeftToPutBack } from './put-back-facts';
import { lockPlans } from './take-over';
import { ALREADY_ON_TARGET } from './tally';
import { inTransaction } from './transaction';

export interface ReopenInput {
  rolloutId: string;
  workflowId: string;
  runId: string;
  reason: string;
  actor: string;
}

export type Reopened =
  | { outcome: 'reopened'; rollbackTimeoutSeconds: number; alreadyOnTarget: number; leftOut: number }
  /** There is nothing to put back, any more or yet. */
  | { outcome: 'left'; status: RolloutStatus; why: string };

interface Standing {
  image: string;
  status: RolloutStatus;
  ended: boolean;
  /** This very run has reopened it before; or one that was lost did, and this one was started in its place. */
  byThisRun: boolean;
  rollbackTimeoutSeconds: number;
  alreadyOnTarget: number;
  leftOut: number;
}

/**
 * An ended rollout is rolling back again, under the workflow that asks for it, with the devices that it can put back: in one
 * transaction, so that nobody sees it without either. Running it twice reopens it once (key: the run).
 * @returns null when there is no such rollout.
 */
export async function reopenRollout(pool: Pool, input: ReopenInput): Promise<Reopened | null> {
  return inTransaction(pool, async (client) => {
    const image = await imageOf(client, input.rolloutId);
    if (image === null) return null;
    await lockPlans(client, image);
    const rollout = await lockRollout(client, input);
    if (rollout === null) return null;
    const { status, ended, byThisRun, rollbackTimeoutSeconds, alreadyOnTarget, leftOut } = rollout;
    const reopened: Reopened = { outcome: 'reopened', rollbackTimeoutSeconds, alreadyOnTarget, leftOut };
    if (!ended) return byThisRun ? reopened : { outcome: 'left', status, why: 'the rollout has not ended' };
    if (byThisRun) return { outcome: 'left', status, why: 'it was ended while it was being put back' };
    const why =
      status === 'rolled_back'
        ? 'it is rolled back already'
        : nothingToPutBack(await readLeftToPutBack(client, input.rolloutId));
    if (why !== null) return { outcome: 'left', status, why };
    const { claimed, leftToNewer } = await claimBack(client, input.rolloutId, null);
    await write(client, input, { from: status, devices: claimed, left_to_newer: leftToNewer });
    return reopened;
  });
}

async function imageOf(client: PoolClient, rolloutId: string): Promise<string | null> {
  const { rows } = await client.query<{ image: string }>('select image from image_rollouts where id = $1', [rolloutId]);
  return rows[0]?.image ?? null;
}

async function lockRollout(
  client: PoolClient,
  { rolloutId, workflowId, runId }: ReopenInput,
): Promise<Standing | null> {
  const { rows } = await client.query<Standing>(
    `select status, ended_at is not null as ended, workflow_id = $2 and (run_id is not distinct from $3 or run_id is null and ended_at is null) as "byThisRun", left_out as "leftOut",
            (rules ->> 'rollbackTimeoutSeconds')::float8 as "rollbackTimeoutSeconds",
            ${ALREADY_ON_TARGET} as "alreadyOnTarget"
       from image_rollouts where id = $1 for no key update`,
    [rolloutId, workflowId, runId],
  );
  return rows[0] ?? null;
}

/**
 * What was signalled is forgotten: the last confirmation of this rollback is news, though one before it was told too. So is
 * what the ended workflow said of itself, which would be shown as counts of today.
 */
async function write(client: PoolClient, input: ReopenInput, data: object): Promise<void> {
  await client.query(
    `with unsignalled as (
       update rollout_batches set signalled = null where rollout_id = $1
     ), reopened as (
       update image_rollouts
          set status = 'rolling_back', ended_at = null, error = null, reason = $4, paused_at = null, progress = null, workflow_id = $2, run_id = $3,
              dispatched_at = coalesce(dispatched_at, fleetwave.now()), dispatch_error = null
        where id = $1
     )
     insert into rollout_events (rollout_id, type, actor, reason, data)
     values ($1, 'rollout.reopened', $5, $4, $6::jsonb || jsonb_build_object('workflow_id', $2::text, 'run_id', $3::text))`,
    [input.rolloutId, input.workflowId, input.runId, input.reason, input.actor, JSON.stringify(data)],
  );
}
