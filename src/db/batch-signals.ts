import type { Pool } from 'pg';
import type { RolloutStatus } from '../domain/rollout-states';
import type { RolloutRules } from '../domain/rules';
import type { StatusCounts } from '../domain/verdict';
import { COUNTED_AS } from './tally';
import type { Touch } from './move-devices';

export interface WatchedBatch {
  rolloutId: string;
  batch: number;
  workflowId: string;
  status: RolloutStatus;
  rules: RolloutRules;
  signalled: string | null;
  counts: StatusCounts;
  /**
   * Devices of the whole rollout still to be put back or waiting for their rollback to be confirmed. Those still to be put
   * back count too: the rollout is rolling back a moment before its first device is, and a signal sent in between would be
   * taken for the one at the end, which then is never sent.
   */
  rollingBack: number;
}

/** The counts of several batches at once, for deciding which workflows want to hear of it. */
export async function readBatches(pool: Pool, touches: readonly Touch[]): Promise<WatchedBatch[]> {
  const found = await pool.query<WatchedBatch>(
    `select b.rollout_id as "rolloutId", b.number as batch, r.workflow_id as "workflowId", r.status, r.rules, b.signalled,
            coalesce(counted.counts, '{}') as counts,
            case when r.status = 'rolling_back' then
              (select count(*)::int from device_rollout_status s
                where s.rollout_id = r.id and s.active and s.written_at is not null and s.status not in ('rolled_back', 'rollback_failed')) else 0 end as "rollingBack"
       from unnest($1::uuid[], $2::int[]) as wanted (rollout_id, number)
       join rollout_batches b using (rollout_id, number) join image_rollouts r on r.id = b.rollout_id
       left join lateral (
         select jsonb_object_agg(kind, devices) as counts
           from (select ${COUNTED_AS} as kind, count(*) as devices from device_rollout_status s
                  where s.rollout_id = b.rollout_id and s.batch = b.number group by 1) by_kind) counted on true
      where r.ended_at is null`,
    [touches.map((touch) => touch.rolloutId), touches.map((touch) => touch.batch)],
  );
  return found.rows;
}

/** Lets an outcome be signalled again: what was claimed was not sent, or is not true any more. */
export async function releaseSignal(pool: Pool, batch: Touch, outcome: string): Promise<void> {
  await pool.query(
    'update rollout_batches set signalled = null where rollout_id = $1 and number = $2 and signalled = $3',
    [batch.rolloutId, batch.batch, outcome],
  );
}

/** After devices of a batch were told: what was true of those told before has to come true again. */
export async function forgetSignal(pool: Pool, batch: Touch): Promise<void> {
  await pool.query(
    'update rollout_batches set signalled = null where rollout_id = $1 and number = $2 and signalled is not null',
    [batch.rolloutId, batch.batch],
  );
}

/** Claims the right to signal an outcome of a batch: true for one of all API processes, once. */
export async function claimSignal(pool: Pool, batch: Touch, outcome: string): Promise<boolean> {
  const claimed = await pool.query(
    'update rollout_batches set signalled = $3 where rollout_id = $1 and number = $2 and signalled is distinct from $3',
    [batch.rolloutId, batch.batch, outcome],
  );
  return claimed.rowCount === 1;
}
