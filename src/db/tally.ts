import type { Pool } from 'pg';
import { causesSentence, type CauseCount } from '../domain/failure-causes';
import type { CountedStatus, StatusCounts } from '../domain/verdict';

export interface Tally {
  batch: StatusCounts;
  overall: StatusCounts;
  /** Why devices failed, as a sentence; absent where none has, as in answers of older releases. */
  causes?: { batch: string | null; overall: string | null };
}

/** The kind a device of `device_rollout_status s` is counted as: its state, but for those that CountedStatus tells apart. */
export const COUNTED_AS = `case when s.status = 'pending' and s.deferred_at is not null then 'deferred'
  when s.failing_before and s.status in ('failed', 'timed_out', 'unreachable') then 'failing_before' else s.status end`;

/** Of `device_rollout_status s`: the plan left it out. */
export const UNPLANNED = 's.batch is null and s.deferred_at is null';

/** Of `image_rollouts` ($1): devices that the plan found on target; it left out the others that have no batch. */
export const ALREADY_ON_TARGET = `(select count(*)::int from device_rollout_status s where s.rollout_id = $1 and ${UNPLANNED}) - left_out`;

/**
 * Devices of a rollout by kind, for one batch (null: for all) and for all planned ones, counted where they are. Devices that
 * the plan left out have no batch and are not counted; those that came after it have none before their wave, and are.
 */
export async function tally(pool: Pool, rolloutId: string, batch: number | null): Promise<Tally> {
  const counted = await pool.query<{ inBatch: boolean; kind: CountedStatus; devices: number }>(
    `select $2::int is null or s.batch is not distinct from $2 as "inBatch", ${COUNTED_AS} as kind, count(*)::int as devices
       from device_rollout_status s where s.rollout_id = $1 and not (${UNPLANNED}) group by 1, 2`,
    [rolloutId, batch],
  );
  const result: Tally = { batch: {}, overall: {} };
  for (const { inBatch, kind, devices } of counted.rows) {
    if (inBatch) result.batch[kind] = devices;
    result.overall[kind] = (result.overall[kind] ?? 0) + devices;
  }
  const { failed = 0, timed_out: late = 0, unreachable = 0 } = result.overall;
  if (failed + late + unreachable > 0) result.causes = await readCauses(pool, rolloutId, batch);
  return result;
}

/** Of `device_rollout_status s`: why it failed, where it did and was not failing before; also of those put back since. */
const CAUSE = 'fleetwave.failure_cause(s.status, s.reason)';
const FAILED_BY_IT = `s.failed_at is not null and s.status <> 'superseded' and not s.failing_before`;

async function readCauses(pool: Pool, rolloutId: string, batch: number | null): Promise<NonNullable<Tally['causes']>> {
  const { rows } = await pool.query<CauseCount & { inBatch: boolean }>(
    `select $2::int is null or s.batch is not distinct from $2 as "inBatch", ${CAUSE} as cause, count(*)::int as devices
       from device_rollout_status s where s.rollout_id = $1 and ${FAILED_BY_IT} group by 1, 2`,
    [rolloutId, batch],
  );
  const overall = new Map<string, number>();
  for (const { cause, devices } of rows) overall.set(cause, (overall.get(cause) ?? 0) + devices);
  return {
    batch: causesSentence(rows.filter((row) => row.inBatch)),
    overall: causesSentence([...overall].map(([cause, devices]) => ({ cause, devices }))),
  };
}

/** Failed devices of a rollout by cause, the most frequent first. */
export async function countCauses(pool: Pool, rolloutId: string): Promise<CauseCount[]> {
  const { rows } = await pool.query<CauseCount>(
    `select ${CAUSE} as cause, count(*)::int as devices from device_rollout_status s
      where s.rollout_id = $1 and ${FAILED_BY_IT} group by 1 order by 2 desc, 1 limit 20`,
    [rolloutId],
  );
  return rows;
}
