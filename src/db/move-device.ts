import type { Pool } from 'pg';
import type { CheckResult } from '../domain/checks';
import type { Proof } from '../domain/device-proof';
import type { DeviceStatus } from '../domain/rollout-states';

/** Batches in which a device changed its state: their verdict may have changed. */
export interface Touch {
  rolloutId: string;
  batch: number;
}

/** The state and the telling that a device was judged in. */
export interface JudgedIn {
  rolloutId: string;
  status: DeviceStatus;
  targetVersion: number;
}

/** What is kept with a device; null leaves it as it is. */
export interface Memory {
  proof: Proof | null;
  results: Record<string, CheckResult> | null;
}

/** As stored: what is kept belongs to one telling ($4 in both statements). */
const REMEMBERED = (proof: string, results: string): string => `
       proof = coalesce(${proof}::jsonb, proof),
       checks = case when ${results}::jsonb is null then checks else jsonb_build_object('version', $4::bigint, 'results', ${results}::jsonb) end`;

/**
 * Moves a device from the state and version it was judged in; if either changed meanwhile, or a newer rollout took it, somebody
 * else was first. A device that runs something else because its target was changed by somebody is not a failure of this
 * rollout, and one that only says that it is well proves what somebody gave it: the rollout lets go of it. One that soaks and
 * is to soak begins anew. Why a device had failed stays with it when it is back.
 * @returns whether it came into another state.
 */
export async function moveDevice(
  pool: Pool,
  deviceUuid: string,
  row: JudgedIn,
  next: Memory & { status: DeviceStatus; reason: string | null; meansItsTarget: boolean },
): Promise<boolean> {
  const moved = await pool.query<{ status: DeviceStatus }>({
    name: 'move-device',
    text: `with target as (
       select ($5 = 'failed' or $7) and fleetwave.revert_changes(t.apps, s.changes) is null as edited
         from device_rollout_status s join device_target_state t on t.device_uuid = s.device_uuid
        where s.rollout_id = $1 and s.device_uuid = $2
     ), moved as (
       update device_rollout_status
          set status = case when edited then 'superseded' else $5 end, active = active and not edited, updated_at = fleetwave.now(),
              reason = case when edited then 'its target was changed by someone else: left alone' when $5 = 'rolled_back' then reason else $6 end,
              healthy_since = case when $5 = 'health_checking' then fleetwave.now() when $5 = 'completed' then healthy_since end,
              failed_at = case when $5 = 'failed' and not edited then fleetwave.now() else failed_at end,
              ${REMEMBERED('$8', '$9')}
         from target
        where rollout_id = $1 and device_uuid = $2 and status = $3 and target_version = $4 and active
       returning batch, status, reason
     ), event as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, actor, reason)
       select $1, 'device.' || case when status = $3 then 'restarted' else status end, $2, batch, 'device', reason
         from moved where status <> $3 or status = 'health_checking'
     )
     select status from moved`,
    values: [
      ...[row.rolloutId, deviceUuid, row.status, row.targetVersion, next.status, next.reason, next.meansItsTarget],
      ...jsonOf(next),
    ],
  });
  const [now] = moved.rows;
  return now !== undefined && now.status !== row.status;
}

/** Keeps what a report has shown, of a device that stays in its state. */
export async function keepProof(pool: Pool, deviceUuid: string, row: JudgedIn, memory: Memory): Promise<void> {
  await pool.query(
    `update device_rollout_status set ${REMEMBERED('$5', '$6')}
      where rollout_id = $1 and device_uuid = $2 and status = $3 and target_version = $4 and active`,
    [row.rolloutId, deviceUuid, row.status, row.targetVersion, ...jsonOf(memory)],
  );
}

function jsonOf({ proof, results }: Memory): (string | null)[] {
  return [proof, results].map((document) => (document === null ? null : JSON.stringify(document)));
}
