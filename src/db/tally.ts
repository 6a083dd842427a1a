import type { Pool } from 'pg';
import type { CountedStatus, StatusCounts } from '../domain/verdict';

export interface Tally {
  batch: StatusCounts;
  overall: StatusCounts;
}

/** The kind a device of `device_rollout_status s` is counted as: its state, but for those that CountedStatus tells apart. */
export const COUNTED_AS = `case when s.status = 'pending' and s.deferred_at is not null then 'deferred'
  when s.failing_before and s.status in ('failed', 'timed_out', 'unreachable') then 'failing_before' else s.status end`;

/** Of `image_rollouts` ($1): devices that the plan found on target; it left out the others that have no batch. */
export const ALREADY_ON_TARGET = `(select count(*)::int from device_rollout_status where rollout_id = $1 and batch is null and deferred_at is null) - left_out`;

/**
 * Devices of a rollout by kind, for one batch (null: for all) and for all planned ones, counted where they are. Devices that
 * the plan left out have no batch and are not counted; those that came after it have none before their wave, and are.
 */
export async function tally(pool: Pool, rolloutId: string, batch: number | null): Promise<Tally> {
  const counted = await pool.query<{ inBatch: boolean; kind: CountedStatus; devices: number }>(
    `select $2::int is null or s.batch is not distinct from $2 as "inBatch", ${COUNTED_AS} as kind, count(*)::int as devices
       from device_rollout_status s where s.rollout_id = $1 and (s.batch is not null or s.deferred_at is not null) group by 1, 2`,
    [rolloutId, batch],
  );
  const result: Tally = { batch: {}, overall: {} };
  for (const { inBatch, kind, devices } of counted.rows) {
    if (inBatch) result.batch[kind] = devices;
    result.overall[kind] = (result.overall[kind] ?? 0) + devices;
  }
  return result;
}
