import type { Pool } from 'pg';

/** What a request of a device is held against. */
export interface DeviceKeys {
  uuid: string;
  /** Null: no key was ever made for it. */
  api_key_hash: Buffer | null;
  /** The key before the last rotation, while it still works. */
  previous_key_hash: Buffer | null;
  /** Whether the present key was ever used. */
  key_proven: boolean;
  is_active: boolean;
}

const KEYS = `d.uuid, d.api_key_hash, case when d.previous_key_until > now() then d.previous_key_hash end as previous_key_hash,
  d.key_proven, d.is_active`;

export interface PolledState extends DeviceKeys {
  /** The document's own text, in PostgreSQL's key order: the same state always gives the same bytes. */
  apps: string;
  version: number;
}

const POLLED = `${KEYS}, coalesce(s.apps::text, '{}') as apps, coalesce(s.version, 0) as version`;

/** All that polls need, their authentication included, in one read by primary key. */
export async function readPolledStates(pool: Pool, uuids: readonly string[]): Promise<PolledState[]> {
  const { rows } = await pool.query<PolledState>({
    name: 'polls',
    text: `select ${POLLED} from devices d left join device_target_state s on s.device_uuid = d.uuid where d.uuid = any ($1)`,
    values: [uuids],
  });
  return rows;
}

/** A device that waits, and the version it was served; null where it is to be read whatever it has. */
export interface KnownVersion {
  uuid: string;
  version: number | null;
}

/**
 * Of devices that wait, those that must hear something, by their place in `known`: another version, switched off, or gone
 * (null). One statement for all of them, and only what changed is read whole.
 */
export async function readChangedStates(
  pool: Pool,
  known: readonly KnownVersion[],
): Promise<Map<number, PolledState | null>> {
  const { rows } = await pool.query<PolledState & { place: number; gone: boolean }>({
    name: 'changed-states',
    text: `select w.place, d.uuid is null as gone, ${POLLED}
             from unnest($1::uuid[], $2::bigint[]) with ordinality as w (uuid, version, place)
             left join devices d on d.uuid = w.uuid left join device_target_state s on s.device_uuid = w.uuid
            where d.uuid is null or not d.is_active or coalesce(s.version, 0) is distinct from w.version`,
    values: [known.map(({ uuid }) => uuid), known.map(({ version }) => version)],
  });
  return new Map(rows.map(({ place, gone, ...state }) => [place - 1, gone ? null : state]));
}

export async function readDeviceKeys(pool: Pool, uuids: readonly string[]): Promise<DeviceKeys[]> {
  const { rows } = await pool.query<DeviceKeys>({
    name: 'device-keys',
    text: `select ${KEYS} from devices d where d.uuid = any ($1)`,
    values: [uuids],
  });
  return rows;
}

/** The device that a key works for: tells a wrong key from another device's. */
export async function findDeviceByKey(pool: Pool, hash: Buffer): Promise<string | null> {
  const { rows } = await pool.query<{ uuid: string }>(
    `select uuid from devices where api_key_hash = $1
     union all select uuid from devices where previous_key_hash = $1 and previous_key_until > now() limit 1`,
    [hash],
  );
  return rows[0]?.uuid ?? null;
}

/** Moves `last_seen_at` of many devices in one statement, never back. Rows a writer holds are waited for in key order. */
export async function recordLastSeen(pool: Pool, uuids: readonly string[], times: readonly Date[]): Promise<void> {
  await pool.query(
    `update devices d set last_seen_at = s.at
       from (select i.uuid, i.at from unnest($1::uuid[], $2::timestamptz[]) as i (uuid, at)
              join devices l on l.uuid = i.uuid order by l.uuid for no key update of l) s
      where d.uuid = s.uuid and (d.last_seen_at is null or d.last_seen_at < s.at)`,
    [uuids, times],
  );
}
