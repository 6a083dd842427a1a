import type { Pool } from 'pg';
import type { RolloutRules } from '../domain/rules';
import type { WaitingGroup } from '../domain/write-permit';

export interface WaitingDevices {
  windows: RolloutRules['windows'];
  groups: WaitingGroup[];
  /** The database's clock, by which target state is written. */
  nowMs: number;
}

/**
 * The devices of a batch that are to be told, by what decides whether they may be told now. Batch null: the failed ones. Where
 * there is neither a window nor a freeze nothing decides, and nobody is counted.
 */
export async function readWaiting(
  pool: Pool,
  rolloutId: string,
  batch: number | null,
  { frozenFleets, frozen }: { frozenFleets: readonly string[]; frozen: boolean },
): Promise<WaitingDevices> {
  const { rows } = await pool.query<WaitingDevices>(
    `select coalesce(r.rules -> 'windows', '[]') as windows, floor(extract(epoch from fleetwave.now()) * 1000)::float8 as "nowMs",
            coalesce(case when $4 or r.rules -> 'windows' <> '[]' or $3::text[] <> '{}' then (select jsonb_agg(counted) from (
              select coalesce(d.timezone, 'UTC') as zone, case when d.fleet_id = any ($3::text[]) then d.fleet_id end as "frozenFleet", count(*)::int as devices
                from device_rollout_status s join devices d on d.uuid = s.device_uuid
               where s.rollout_id = $1 and s.deferred_at is null
                 and case when $2::int is null then s.status in ('failed', 'timed_out', 'unreachable') else s.status = 'pending' and s.batch = $2 end
               group by 1, 2) counted) end, '[]') as groups
       from image_rollouts r where r.id = $1`,
    [rolloutId, batch, frozenFleets, frozen],
  );
  return rows[0] ?? { windows: [], groups: [], nowMs: Date.now() };
}
