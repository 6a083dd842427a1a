import type { Pool } from 'pg';
import { COUNTED_AS, UNPLANNED } from './tally';
import { inTransaction } from './transaction';

export interface DeviceRow {
  uuid: string;
  name: string | null;
  fleet_id: string | null;
  tags: Record<string, string>;
  address: string | null;
  timezone: string | null;
  is_active: boolean;
  has_key: boolean;
  key_rotated_at: Date | null;
  previous_key_until: Date | null;
  registration: Record<string, string> | null;
  last_seen_at: Date | null;
  target_version: number | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = `d.uuid, d.name, d.fleet_id, d.tags, d.address, d.timezone, d.is_active, d.api_key_hash is not null as has_key, d.key_rotated_at,
  case when d.previous_key_until > now() then d.previous_key_until end as previous_key_until, d.registration,
  d.last_seen_at, s.version as target_version, d.created_at, d.updated_at`;
const FROM = 'from devices d left join device_target_state s on s.device_uuid = d.uuid';

export interface DeviceFilter {
  fleetId: string | undefined;
  tag: { key: string; value: string } | undefined;
  image: AskedImage | undefined;
  after: string | undefined;
  limit: number;
}

/** A normalised image, and the tag or digest that a service of it must name, where one was asked for. */
export interface AskedImage {
  image: string;
  tag: string | null;
  digest: string | null;
}

/** Devices in the order of their uuid. Conditions that are not asked for are left out, so that each plan uses its index. */
export async function listDevices(pool: Pool, filter: DeviceFilter): Promise<DeviceRow[]> {
  const values: unknown[] = [filter.limit + 1];
  const where: string[] = [];
  const add = (condition: (place: string) => string, value: unknown): void => {
    values.push(value);
    where.push(condition(`$${values.length}`));
  };
  if (filter.after !== undefined) add((place) => `d.uuid > ${place}`, filter.after);
  if (filter.fleetId !== undefined) add((place) => `d.fleet_id = ${place}`, filter.fleetId);
  if (filter.tag !== undefined)
    add((place) => `d.tags @> ${place}::jsonb`, JSON.stringify({ [filter.tag.key]: filter.tag.value }));
  if (filter.image !== undefined) {
    const { image, tag, digest } = filter.image;
    // The index narrows to the devices of the image; only their documents are read for what follows its name.
    add((place) => `fleetwave.app_images(s.apps) @> array[${place}::text]`, image);
    if (tag !== null || digest !== null)
      add((place) => `exists (${namesReference(place)})`, JSON.stringify({ image, tag, digest }));
  }
  const { rows } = await pool.query<DeviceRow>(
    `select ${COLUMNS} ${FROM} ${where.length === 0 ? '' : `where ${where.join(' and ')}`} order by d.uuid limit $1`,
    values,
  );
  return rows;
}

/**
 * True for a service one of whose two image fields has the image with the asked tag and digest. A reference with neither
 * means `latest`, as it does to every engine.
 */
function namesReference(place: string): string {
  const asked = (key: string): string => `(${place}::jsonb ->> '${key}')`;
  return `select from jsonb_each(s.apps) app,
       jsonb_array_elements(case when jsonb_typeof(app.value -> 'services') = 'array' then app.value -> 'services' else '[]' end) service,
       lateral (values (service ->> 'imageName'), (service #>> '{config,image}')) named (reference),
       fleetwave.parse_image(named.reference) parsed
     where named.reference is not null and fleetwave.normalized_image(named.reference) = ${asked('image')}
       and (${asked('tag')} is null or coalesce(parsed.tag, case when parsed.digest is null then 'latest' end) = ${asked('tag')})
       and (${asked('digest')} is null or parsed.digest = ${asked('digest')})`;
}

export async function readDevice(pool: Pool, uuid: string): Promise<DeviceRow | null> {
  const { rows } = await pool.query<DeviceRow>(`select ${COLUMNS} ${FROM} where d.uuid = $1`, [uuid]);
  return rows[0] ?? null;
}

/** The normalised image of any form of reference, or null: the same function the index is made with. */
export async function normalizedImage(pool: Pool, reference: string): Promise<string | null> {
  const { rows } = await pool.query<{ image: string | null }>('select fleetwave.normalized_image($1) as image', [
    reference,
  ]);
  return rows[0]?.image ?? null;
}

export interface DeviceChange {
  name?: string | null | undefined;
  fleet_id?: string | null | undefined;
  tags?: Record<string, string> | undefined;
  address?: string | null | undefined;
  timezone?: string | null | undefined;
  is_active?: boolean | undefined;
}

/** Changes the given fields only, in the UPDATE itself; false when there is no such device. */
export async function updateDevice(pool: Pool, uuid: string, change: DeviceChange): Promise<boolean> {
  const given = (field: keyof DeviceChange): boolean => change[field] !== undefined;
  const { rowCount } = await pool.query(
    `update devices set
       name = case when $2 then $3 else name end,
       fleet_id = case when $4 then $5 else fleet_id end,
       tags = coalesce($6::jsonb, tags),
       address = case when $7 then $8 else address end,
       timezone = case when $9 then $10 else timezone end,
       is_active = coalesce($11::boolean, is_active),
       updated_at = now()
     where uuid = $1`,
    [
      uuid,
      ...[given('name'), change.name ?? null],
      ...[given('fleet_id'), change.fleet_id ?? null],
      change.tags === undefined ? null : JSON.stringify(change.tags),
      ...[given('address'), change.address ?? null],
      ...[given('timezone'), change.timezone ?? null],
      change.is_active ?? null,
    ],
  );
  return rowCount === 1;
}

export type Deletion = { deleted: true } | { deleted: false; rollouts: string[] | null };

/**
 * Deletes a device, unless a rollout still works on it (`rollouts` names them; null: there is no such device). The rollouts that it was part of
 * go on counting it as it stood, in the order of their ids, so that two deletions never wait for each other in a circle.
 * The row is locked first: planning takes a key-share lock on it, so a rollout that is being planned is seen.
 */
export async function deleteDevice(pool: Pool, uuid: string): Promise<Deletion> {
  return inTransaction(pool, async (client) => {
    const locked = await client.query('select from devices where uuid = $1 for update', [uuid]);
    if (locked.rowCount === 0) return { deleted: false, rollouts: null };
    const busy = await client.query<{ rollout_id: string }>(
      'select s.rollout_id from device_rollout_status s join image_rollouts r on r.id = s.rollout_id where s.device_uuid = $1 and s.active and r.ended_at is null',
      [uuid],
    );
    if (busy.rows.length > 0) return { deleted: false, rollouts: busy.rows.map((row) => row.rollout_id) };
    await client.query(
      `insert into rollout_deleted_devices as counted (rollout_id, batch, unplanned, kind, devices)
       select s.rollout_id, s.batch, ${UNPLANNED}, ${COUNTED_AS}, 1 from device_rollout_status s where s.device_uuid = $1 order by s.rollout_id
       on conflict on constraint rollout_deleted_devices_key do update set devices = counted.devices + 1`,
      [uuid],
    );
    await client.query('delete from devices where uuid = $1', [uuid]);
    return { deleted: true };
  });
}
