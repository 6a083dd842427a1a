import type { Pool, PoolClient } from 'pg';
import { violates } from './database-errors';
import { inTransaction } from './transaction';

export interface Registration {
  provisioningKeyHash: Buffer;
  uuid: string;
  name: string;
  apiKeyHash: Buffer;
  /** What else the device said of itself, kept as it is. */
  facts: Record<string, string>;
}

/** With the key that is stored: none for a device of the first generation. */
type Stored = Omit<Registration, 'apiKeyHash'> & { apiKeyHash: Buffer | null };

export interface RegisteredDevice {
  uuid: string;
  name: string | null;
  fleet_id: string | null;
  registration: Record<string, string> | null;
  created_at: Date;
}

export type RegistrationOutcome =
  | { outcome: 'created' | 'claimed' | 'repeated'; device: RegisteredDevice }
  | { outcome: 'unknown_key' | 'expired' | 'revoked' | 'used_up' | 'exists' | 'key_in_use' };

interface KeyRow {
  id: string;
  fleet_id: string | null;
  keyless: boolean;
  full: boolean;
  expired: boolean;
  revoked: boolean;
}

const DEVICE = 'uuid, name, fleet_id, registration, created_at';

/**
 * Registers a device with a provisioning key. The key's row is locked first, so that its limit holds however many register at
 * once. The same device again, with the key it made itself, is answered as before and does not count: its first answer may have
 * been lost. A device that has no key yet is claimed by a key of its fleet (docs/adr/0014-device-keys.md).
 */
export async function registerDevice(pool: Pool, registration: Registration): Promise<RegistrationOutcome> {
  try {
    return await inTransaction(pool, async (client) => {
      const key = await lockKey(client, registration.provisioningKeyHash);
      if (key === null) return { outcome: 'unknown_key' };
      const apiKeyHash = key.keyless ? null : registration.apiKeyHash;
      const found = await lockDevice(client, registration.uuid, apiKeyHash, key);
      // Its own key proves it, whatever has become of the provisioning key meanwhile.
      if (found?.repeated === true) return { outcome: 'repeated', device: found.device };
      if (key.revoked) return { outcome: 'revoked' };
      if (key.expired) return { outcome: 'expired' };
      if (found !== null && !found.claimable) return { outcome: 'exists' };
      if (key.full) return { outcome: 'used_up' };
      const device = await (found === null ? insertDevice : claimDevice)(client, { ...registration, apiKeyHash }, key);
      // Somebody else made this device since it was looked for.
      if (device === null) return { outcome: 'exists' };
      await client.query('update provisioning_keys set registered = registered + 1 where id = $1', [key.id]);
      return { outcome: found === null ? 'created' : 'claimed', device };
    });
  } catch (error) {
    if (violates(error, 'devices_by_key')) return { outcome: 'key_in_use' };
    throw error;
  }
}

async function lockKey(client: PoolClient, hash: Buffer): Promise<KeyRow | null> {
  const { rows } = await client.query<KeyRow>(
    `select id, fleet_id, keyless, registered >= max_devices as full, expires_at <= now() as expired, revoked_at is not null as revoked
       from provisioning_keys where key_hash = $1 for no key update`,
    [hash],
  );
  return rows[0] ?? null;
}

async function lockDevice(
  client: PoolClient,
  uuid: string,
  apiKeyHash: Buffer | null,
  key: KeyRow,
): Promise<{ device: RegisteredDevice; repeated: boolean; claimable: boolean } | null> {
  const { rows } = await client.query<RegisteredDevice & { repeated: boolean; claimable: boolean }>(
    `select ${DEVICE}, is_active and api_key_hash is not distinct from $2 and ($2 is not null or provisioning_key_id = $4) is true as repeated,
            is_active and api_key_hash is null and fleet_id is not distinct from $3 as claimable
       from devices where uuid = $1 for no key update`,
    [uuid, apiKeyHash, key.fleet_id, key.id],
  );
  if (rows[0] === undefined) return null;
  const { repeated, claimable, ...device } = rows[0];
  return { device, repeated, claimable };
}

async function insertDevice(
  client: PoolClient,
  { uuid, name, apiKeyHash, facts }: Stored,
  key: KeyRow,
): Promise<RegisteredDevice | null> {
  const { rows } = await client.query<RegisteredDevice>(
    `with created as (
       insert into devices (uuid, name, fleet_id, api_key_hash, provisioning_key_id, registration) values ($1, $2, $3, $4, $5, $6)
       on conflict (uuid) do nothing returning ${DEVICE}
     ), target as (
       insert into device_target_state (device_uuid) select uuid from created
     )
     select * from created`,
    [uuid, name, key.fleet_id, apiKeyHash, key.id, JSON.stringify(facts)],
  );
  return rows[0] ?? null;
}

/** The name that an operator gave stays. */
async function claimDevice(
  client: PoolClient,
  { uuid, name, apiKeyHash, facts }: Stored,
  key: KeyRow,
): Promise<RegisteredDevice | null> {
  const { rows } = await client.query<RegisteredDevice>(
    `update devices set api_key_hash = $2, name = coalesce(name, $3), provisioning_key_id = $4, registration = $5, updated_at = now()
      where uuid = $1 returning ${DEVICE}`,
    [uuid, apiKeyHash, name, key.id, JSON.stringify(facts)],
  );
  return rows[0] ?? null;
}
