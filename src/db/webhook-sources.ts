import type { Pool } from 'pg';

export interface WebhookSourceRow {
  name: string;
  kind: string;
  /** Encrypted. */
  secrets: Buffer[];
  fingerprints: string[];
  allow_unsigned: boolean;
  registry_host: string | null;
  repositories: Record<string, string>;
  options: Record<string, unknown>;
  /** Null: the installation's. */
  debounce_seconds: number | null;
  created_at: Date;
  updated_at: Date;
  updated_by: string;
  version: string;
}

export type NewWebhookSource = Omit<WebhookSourceRow, 'created_at' | 'updated_at' | 'version'>;

const COLUMNS =
  'name, kind, secrets, fingerprints, allow_unsigned, registry_host, repositories, options, debounce_seconds, created_at, updated_at, updated_by, version';

/** Creates the source or replaces all of it; only the time of its making stays. */
export async function putWebhookSource(
  pool: Pool,
  source: NewWebhookSource,
): Promise<WebhookSourceRow & { created: boolean }> {
  const { rows } = await pool.query<WebhookSourceRow & { created: boolean }>(
    `insert into webhook_sources (name, kind, secrets, fingerprints, allow_unsigned, registry_host, repositories, options, updated_by, debounce_seconds)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (name) do update set kind = excluded.kind, secrets = excluded.secrets, fingerprints = excluded.fingerprints,
       allow_unsigned = excluded.allow_unsigned, registry_host = excluded.registry_host, repositories = excluded.repositories,
       options = excluded.options, debounce_seconds = excluded.debounce_seconds, updated_by = excluded.updated_by, updated_at = now(), version = gen_random_uuid()
     returning ${COLUMNS}, xmax = 0 as created`,
    [
      source.name,
      source.kind,
      source.secrets,
      source.fingerprints,
      source.allow_unsigned,
      source.registry_host,
      JSON.stringify(source.repositories),
      JSON.stringify(source.options),
      source.updated_by,
      source.debounce_seconds,
    ],
  );
  if (rows[0] === undefined) throw new Error('writing a webhook source gave no row');
  return rows[0];
}

export async function readWebhookSource(pool: Pool, name: string): Promise<WebhookSourceRow | null> {
  const { rows } = await pool.query<WebhookSourceRow>(`select ${COLUMNS} from webhook_sources where name = $1`, [name]);
  return rows[0] ?? null;
}

/** By name, after `after`. */
export async function listWebhookSources(
  pool: Pool,
  limit: number,
  after: string | undefined,
): Promise<WebhookSourceRow[]> {
  const { rows } = await pool.query<WebhookSourceRow>(
    `select ${COLUMNS} from webhook_sources where $2::text is null or name > $2 order by name limit $1`,
    [limit + 1, after ?? null],
  );
  return rows;
}

/** True when there was one. What it delivered stays. */
export async function deleteWebhookSource(pool: Pool, name: string): Promise<boolean> {
  const { rowCount } = await pool.query('delete from webhook_sources where name = $1', [name]);
  return rowCount === 1;
}
