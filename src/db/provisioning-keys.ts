import type { Pool } from 'pg';
import { onlyRow } from './only-row';

export interface ProvisioningKeyRow {
  id: string;
  fleet_id: string | null;
  description: string | null;
  max_devices: number;
  registered: number;
  keyless: boolean;
  created_at: Date;
  created_key: string;
  expires_at: Date;
  revoked_at: Date | null;
  expired: boolean;
}

const COLUMNS = `id, fleet_id, description, max_devices, registered, keyless, created_at, (created_at at time zone 'UTC')::text || '+00' as created_key,
  expires_at, revoked_at, expires_at <= now() as expired`;

export interface NewProvisioningKey {
  hash: Buffer;
  fleetId: string | null;
  description: string | null;
  maxDevices: number;
  expiresInDays: number;
  keyless: boolean;
  actor: string;
}

export async function createProvisioningKey(pool: Pool, key: NewProvisioningKey): Promise<ProvisioningKeyRow> {
  const inserted = await pool.query<ProvisioningKeyRow>(
    `insert into provisioning_keys (key_hash, fleet_id, description, max_devices, expires_at, keyless, created_by)
     values ($1, $2, $3, $4, now() + make_interval(days => $5), $6, $7) returning ${COLUMNS}`,
    [key.hash, key.fleetId, key.description, key.maxDevices, key.expiresInDays, key.keyless, key.actor],
  );
  return onlyRow(inserted);
}

/** Every key that was made, oldest first: one that is used up or revoked still says which devices came with it. */
export async function listProvisioningKeys(
  pool: Pool,
  limit: number,
  after: [string, string] | undefined,
): Promise<ProvisioningKeyRow[]> {
  const { rows } = await pool.query<ProvisioningKeyRow>(
    `select ${COLUMNS} from provisioning_keys
      where $2::timestamptz is null or (created_at, id) > ($2::timestamptz, $3::uuid)
      order by created_at, id limit $1`,
    [limit + 1, after?.[0] ?? null, after?.[1] ?? null],
  );
  return rows;
}

/** True when a key was revoked that was not before. Devices that came with it stay. */
export async function revokeProvisioningKey(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'update provisioning_keys set revoked_at = now() where id = $1 and revoked_at is null',
    [id],
  );
  return rowCount === 1;
}
