import type { Pool } from 'pg';

export interface Rotation {
  uuid: string;
  /** The key that the device proved itself with; null where an admin asks. */
  by: Buffer | null;
  newHash: Buffer;
  graceDays: number;
}

/**
 * Gives a device a new key. The key that it is known to have, which is the last one that was used, works on for the grace: a new
 * key that never arrived is replaced by the next. Null where there is no such device, or where `by` is the old key though the
 * new one has been used.
 */
export async function rotateKey(
  pool: Pool,
  rotation: Rotation,
): Promise<{ rotated_at: Date; previous_key_until: Date | null } | null> {
  const { rows } = await pool.query<{ rotated_at: Date; previous_key_until: Date | null }>(
    `update devices d
        set api_key_hash = $3, key_proven = false, key_rotated_at = now(), updated_at = now(),
            previous_key_hash = case when graced then kept end,
            previous_key_until = case when graced then now() + make_interval(days => $4) end
       from (select uuid, kept, kept is not null and $4 > 0 as graced
               from (select uuid, case when key_proven or not coalesce(previous_key_until > now(), false)
                                       then api_key_hash else previous_key_hash end as kept
                       from devices where uuid = $1 for no key update) locked) old
      where d.uuid = old.uuid and ($2::bytea is null or d.api_key_hash = $2 or old.kept = $2)
      returning d.key_rotated_at as rotated_at, d.previous_key_until`,
    [rotation.uuid, rotation.by, rotation.newHash, rotation.graceDays],
  );
  return rows[0] ?? null;
}

/** The new key was used, so the device has it: once after each rotation. */
export async function proveKey(pool: Pool, uuid: string, hash: Buffer): Promise<void> {
  await pool.query('update devices set key_proven = true where uuid = $1 and api_key_hash = $2', [uuid, hash]);
}
