import type { Pool } from 'pg';
import { inTransaction } from './transaction';
import { restoreChunk, TOLD } from './restore';

export interface Excluded {
  /** Not yet told: they are left out. */
  skipped: number;
  /** Told already: they get their previous image back. */
  putBack: number;
}

/**
 * Leaves devices out of a rollout: what was not told is skipped, what was told is put back on its own previous image where its
 * target still holds what this rollout wrote. Idempotent by the devices' states.
 */
export async function excludeDevices(
  pool: Pool,
  input: { rolloutId: string; devices: readonly string[]; reason: string; actor: string },
): Promise<Excluded> {
  return inTransaction(pool, async (client) => {
    const { rolloutId, devices, reason, actor } = input;
    const { restored } = await restoreChunk(client, rolloutId, devices.length, { statuses: TOLD, devices });
    const skipped = await client.query(
      `with waiting as materialized (
         select rollout_id, device_uuid from device_rollout_status
          where rollout_id = $1 and status = 'pending' and device_uuid = any ($2::uuid[]) order by device_uuid for update
       ), skipped as (
         update device_rollout_status s set status = 'skipped', active = false, reason = $3, updated_at = fleetwave.now()
           from waiting where s.rollout_id = waiting.rollout_id and s.device_uuid = waiting.device_uuid
         returning s.device_uuid, s.batch
       )
       insert into rollout_events (rollout_id, type, device_uuid, batch, actor, reason)
       select $1, 'device.skipped', device_uuid, batch, $4, $3 from skipped`,
      [rolloutId, devices, `excluded: ${reason}`, actor],
    );
    return { skipped: skipped.rowCount ?? 0, putBack: restored };
  });
}
