import type { Pool } from 'pg';
import type { DeviceStatus } from '../domain/rollout-states';
import type { StatusCounts } from '../domain/verdict';

export interface Tally {
  batch: StatusCounts;
  overall: StatusCounts;
}

/** Devices of a rollout by state, for one batch (null: for all) and for all planned ones, counted where they are. */
export async function tally(pool: Pool, rolloutId: string, batch: number | null): Promise<Tally> {
  const counted = await pool.query<{ inBatch: boolean; status: DeviceStatus; devices: number }>(
    `select batch = coalesce($2, batch) as "inBatch", status, count(*)::int as devices
       from device_rollout_status where rollout_id = $1 and batch is not null group by 1, 2`,
    [rolloutId, batch],
  );
  const result: Tally = { batch: {}, overall: {} };
  for (const { inBatch, status, devices } of counted.rows) {
    if (inBatch) result.batch[status] = devices;
    result.overall[status] = (result.overall[status] ?? 0) + devices;
  }
  return result;
}
