import type { Pool } from 'pg';

export interface TargetStateRow {
  /** JSON text as PostgreSQL holds it; parsing it here would round large numbers of the user's. */
  apps: string;
  version: number;
  updated_at: Date;
}

export async function readTargetState(pool: Pool, uuid: string): Promise<TargetStateRow | null> {
  const { rows } = await pool.query<TargetStateRow>(
    `select coalesce(s.apps::text, '{}') as apps, coalesce(s.version, 0) as version, coalesce(s.updated_at, d.created_at) as updated_at
       from devices d left join device_target_state s on s.device_uuid = d.uuid where d.uuid = $1`,
    [uuid],
  );
  return rows[0] ?? null;
}

/**
 * Replaces a device's target state by `requestText`'s `apps`. The version is counted and compared in the UPDATE itself,
 * so two writers never take each other's version, and an edit during a rollout is neither lost nor loses another.
 * Null when `ifVersion` is not the current version, or when there is no such device.
 */
export async function writeTargetState(
  pool: Pool,
  uuid: string,
  requestText: string,
  ifVersion: number | null,
): Promise<TargetStateRow | null> {
  const { rows } = await pool.query<TargetStateRow>(
    `insert into device_target_state as s (device_uuid, apps)
     select uuid, ($2::jsonb) -> 'apps' from devices
      where uuid = $1 and ($3::bigint is null or $3 = 0 or exists (select from device_target_state where device_uuid = $1))
     on conflict (device_uuid) do update set apps = excluded.apps, version = s.version + 1, updated_at = now()
       where $3::bigint is null or s.version = $3
     returning s.apps::text, s.version, s.updated_at`,
    [uuid, requestText, ifVersion],
  );
  return rows[0] ?? null;
}

export interface CurrentStateRow {
  apps: string | null;
  version: number | null;
  info: Record<string, unknown> | null;
  reported_at: Date | null;
  last_seen_at: Date | null;
}

/** What a device last reported; fields are null when it never did. */
export async function readCurrentState(pool: Pool, uuid: string): Promise<CurrentStateRow | null> {
  const { rows } = await pool.query<CurrentStateRow>(
    `select c.apps::text as apps, c.version, c.info, c.reported_at, d.last_seen_at
       from devices d left join device_current_state c on c.device_uuid = d.uuid where d.uuid = $1`,
    [uuid],
  );
  return rows[0] ?? null;
}
