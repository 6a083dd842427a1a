import type { Pool } from 'pg';
import type { DeviceStatus } from '../domain/rollout-states';
import { claimBack } from './claim-back';
import { restoreChunk, TOLD } from './restore';
import { lockPlans } from './take-over';
import { inTransaction } from './transaction';

export interface PutBackInput {
  rolloutId: string;
  deviceUuid: string;
  reason: string;
  actor: string;
}

export interface PutBackStanding {
  status: DeviceStatus;
  reason: string | null;
}

/**
 * Puts one device of an ended rollout back on its own previous image, where its target still holds what the rollout wrote.
 * Running it twice does it once (key: the device's state).
 * @returns how long its confirmation may take; null when the rollout is gone.
 */
export async function putBackDevice(pool: Pool, input: PutBackInput): Promise<number | null> {
  const { rolloutId, deviceUuid, reason, actor } = input;
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ image: string; seconds: number }>(
      `select image, (rules ->> 'rollbackTimeoutSeconds')::float8 as seconds from image_rollouts where id = $1`,
      [rolloutId],
    );
    if (rows[0] === undefined) return null;
    await lockPlans(client, rows[0].image);
    const { toldAgain } = await claimBack(client, rolloutId, [deviceUuid]);
    const { taken } = await restoreChunk(client, rolloutId, 1, { statuses: TOLD, devices: [deviceUuid] });
    if (taken + toldAgain > 0)
      await client.query(
        `insert into rollout_events (rollout_id, type, device_uuid, batch, actor, reason)
         select $1, 'device.rollback_requested', device_uuid, batch, $3, $4 from device_rollout_status where rollout_id = $1 and device_uuid = $2`,
        [rolloutId, deviceUuid, actor, reason],
      );
    return rows[0].seconds;
  });
}

/**
 * How the device stands. One that a newer rollout took meanwhile is left to it; with `giveUp`, its reason, one that has not
 * confirmed is `rollback_failed`; the rollout lets go of one that is through. A rollout that was reopened waits for it by itself.
 */
export async function settlePutBack(
  pool: Pool,
  input: { rolloutId: string; deviceUuid: string; giveUp: string | null },
): Promise<PutBackStanding | null> {
  const { rows } = await pool.query<PutBackStanding>(
    `with own as materialized (
       select s.rollout_id, s.device_uuid, case when s.status <> 'rolling_back' then s.status when not s.active then 'superseded'
                                                when $3::text is not null then 'rollback_failed' else 'rolling_back' end as next
         from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
        where s.rollout_id = $1 and s.device_uuid = $2 and r.ended_at is not null for update of s
     ), moved as (
       update device_rollout_status s
          set status = own.next, active = s.active and own.next = 'rolling_back', updated_at = fleetwave.now(),
              reason = case when s.status = own.next then s.reason when own.next = 'superseded' then 'taken over by a newer rollout' else $3 end
         from own where s.rollout_id = own.rollout_id and s.device_uuid = own.device_uuid and (s.status <> own.next or s.active and own.next <> 'rolling_back')
       returning s.device_uuid, s.batch, s.status, s.reason
     ), events as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
       select $1, 'device.' || status, device_uuid, batch, reason from moved where status in ('superseded', 'rollback_failed')
     )
     select coalesce(m.status, s.status) as status, coalesce(m.reason, s.reason) as reason
       from device_rollout_status s left join moved m on m.device_uuid = s.device_uuid where s.rollout_id = $1 and s.device_uuid = $2`,
    [input.rolloutId, input.deviceUuid, input.giveUp],
  );
  return rows[0] ?? null;
}
