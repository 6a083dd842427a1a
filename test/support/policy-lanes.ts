import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { planRollout } from '../../src/db/plan-rollout';
import { readRollout } from '../../src/db/rollout-facts';

export interface FleetDevice {
  fleetId?: string;
  tags?: Record<string, string>;
}

/** Devices that run the image, one for each entry; answers their uuids in the same order. */
export async function seedFleet(pool: Pool, devices: readonly FleetDevice[], image = 'redis:7.4'): Promise<string[]> {
  const rows = devices.map((device) => ({ uuid: randomUUID(), fleet_id: null, tags: {}, ...renamed(device) }));
  await pool.query(
    `insert into devices (uuid, fleet_id, tags)
     select uuid, fleet_id, tags from jsonb_to_recordset($1) as d (uuid uuid, fleet_id text, tags jsonb)`,
    [JSON.stringify(rows)],
  );
  await pool.query(
    `insert into device_target_state (device_uuid, apps)
     select unnest($1::uuid[]), jsonb_build_object('1', jsonb_build_object('services', jsonb_build_array(jsonb_build_object('serviceId', 1, 'imageName', $2::text))))`,
    [rows.map((row) => row.uuid), image],
  );
  return rows.map((row) => row.uuid);
}

function renamed({ fleetId, tags }: FleetDevice): object {
  return { ...(fleetId === undefined ? {} : { fleet_id: fleetId }), ...(tags === undefined ? {} : { tags }) };
}

/** Plans the rollout as its workflow would, and answers the devices that it has, sorted. */
export async function plannedDevices(pool: Pool, rolloutId: string): Promise<string[]> {
  const rollout = await readRollout(pool, rolloutId);
  if (rollout === null) throw new Error(`there is no rollout ${rolloutId}`);
  await planRollout(pool, rollout);
  const { rows } = await pool.query<{ uuid: string }>(
    'select device_uuid as uuid from device_rollout_status where rollout_id = $1 order by device_uuid::text',
    [rolloutId],
  );
  return rows.map((row) => row.uuid);
}
