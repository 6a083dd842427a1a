import type { Pool } from 'pg';
import type { PolicySettings } from '../domain/policy-settings';
import type { Strategy } from '../domain/rules';
import { onlyRow } from './only-row';

export interface PolicyFields {
  image_pattern: string;
  update_strategy: Strategy;
  settings: PolicySettings;
  fleet_id: string | null;
  device_tags: Record<string, string> | null;
  device_uuids: string[] | null;
  enabled: boolean;
  priority: number;
  description: string | null;
}

export interface PolicyRow extends PolicyFields {
  id: string;
  created_at: Date;
  updated_at: Date;
}

type ListedPolicy = PolicyRow & { created_key: string };

const COLUMNS = `id, image_pattern, update_strategy, settings, fleet_id, device_tags, device_uuids, enabled, priority, description, created_at, updated_at`;
const PLACES = '$1, $2, $3::jsonb, $4, $5::jsonb, $6::uuid[], $7, $8, $9';

function values(fields: PolicyFields): unknown[] {
  return [
    fields.image_pattern,
    fields.update_strategy,
    JSON.stringify(fields.settings),
    fields.fleet_id,
    fields.device_tags === null ? null : JSON.stringify(fields.device_tags),
    fields.device_uuids,
    fields.enabled,
    fields.priority,
    fields.description,
  ];
}

export async function createPolicy(pool: Pool, fields: PolicyFields): Promise<PolicyRow> {
  const inserted = await pool.query<PolicyRow>(
    `insert into image_update_policies (image_pattern, update_strategy, settings, fleet_id, device_tags, device_uuids, enabled, priority, description)
     values (${PLACES}) returning ${COLUMNS}`,
    values(fields),
  );
  return onlyRow(inserted);
}

export async function readPolicy(pool: Pool, id: string): Promise<PolicyRow | null> {
  const { rows } = await pool.query<PolicyRow>(`select ${COLUMNS} from image_update_policies where id = $1`, [id]);
  return rows[0] ?? null;
}

/**
 * Writes all fields, but only over the version that the caller has merged its change into (`readAt`; null replaces
 * whatever is there). Null when the row is gone or was changed meanwhile.
 */
export async function writePolicy(
  pool: Pool,
  id: string,
  fields: PolicyFields,
  merged: PolicyRow | null,
): Promise<PolicyRow | null> {
  const { rows } = await pool.query<PolicyRow>(
    `update image_update_policies p set (image_pattern, update_strategy, settings, fleet_id, device_tags, device_uuids, enabled, priority, description, updated_at)
       = (${PLACES}, clock_timestamp())
     where id = $10 and ($11::jsonb is null or to_jsonb(p) - 'created_at' - 'updated_at' = $11::jsonb) returning ${COLUMNS}`,
    [...values(fields), id, merged === null ? null : JSON.stringify(stored(merged))],
  );
  return rows[0] ?? null;
}

/** Oldest first. */
export async function listPolicies(
  pool: Pool,
  limit: number,
  after: [string, string] | undefined,
): Promise<ListedPolicy[]> {
  const { rows } = await pool.query<ListedPolicy>(
    `select ${COLUMNS}, (created_at at time zone 'UTC')::text || '+00' as created_key from image_update_policies
      where $2::timestamptz is null or (created_at, id) > ($2::timestamptz, $3::uuid)
      order by created_at, id limit $1`,
    [limit + 1, after?.[0] ?? null, after?.[1] ?? null],
  );
  return rows;
}

/** Rollouts that it started keep the rules they copied. */
export async function deletePolicy(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query('delete from image_update_policies where id = $1', [id]);
  return rowCount === 1;
}

function stored(row: PolicyRow): Omit<PolicyRow, 'created_at' | 'updated_at'> {
  const {
    id,
    image_pattern,
    update_strategy,
    settings,
    fleet_id,
    device_tags,
    device_uuids,
    enabled,
    priority,
    description,
  } = row;
  return {
    id,
    image_pattern,
    update_strategy,
    settings,
    fleet_id,
    device_tags,
    device_uuids,
    enabled,
    priority,
    description,
  };
}
