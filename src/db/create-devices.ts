import type { Pool } from 'pg';
import { violates } from './database-errors';

export interface NewDevice {
  uuid: string;
  name: string | null;
  fleet_id: string | null;
  tags: Record<string, string>;
  address: string | null;
  timezone: string | null;
  /** Null for one that gets none. */
  api_key_hash: Buffer | null;
}

/**
 * Creates all devices with their target state, or none, in one statement whose parameters do not grow with them.
 * `requestText` is the request's own JSON: target states are taken from it inside PostgreSQL, in the order of `devices`,
 * so that no number in them passes through JavaScript.
 * Answers the uuids that exist already; an empty list means that all were created.
 */
export async function createDevices(pool: Pool, devices: readonly NewDevice[], requestText: string): Promise<string[]> {
  const uuids = devices.map((device) => device.uuid);
  try {
    await pool.query(
      `with input as (
         select n.*, coalesce(d.document #> '{target_state,apps}', '{}') as apps
           from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::bytea[])
                with ordinality as n (uuid, name, fleet_id, tags, address, timezone, api_key_hash, position)
           join jsonb_array_elements($8::jsonb -> 'devices') with ordinality as d (document, position) using (position)
       ), created as (
         insert into devices (uuid, name, fleet_id, tags, address, timezone, api_key_hash)
         select uuid, name, fleet_id, tags, address, timezone, api_key_hash from input order by uuid
       )
       insert into device_target_state (device_uuid, apps) select uuid, apps from input order by uuid`,
      [
        uuids,
        devices.map((device) => device.name),
        devices.map((device) => device.fleet_id),
        devices.map((device) => JSON.stringify(device.tags)),
        devices.map((device) => device.address),
        devices.map((device) => device.timezone),
        devices.map((device) => device.api_key_hash),
        requestText,
      ],
    );
    return [];
  } catch (error) {
    // PostgreSQL runs the two inserts of one statement in either order.
    if (!violates(error, 'devices_pkey') && !violates(error, 'device_target_state_pkey')) throw error;
    const { rows } = await pool.query<{ uuid: string }>(
      'select uuid from devices where uuid = any($1::uuid[]) order by uuid',
      [uuids],
    );
    return rows.map((row) => row.uuid);
  }
}
