import type { Pool } from 'pg';

export interface RegistryRow {
  host: string;
  url: string | null;
  /** Encrypted. */
  credentials: Buffer | null;
  credentials_kind: 'password' | 'token' | null;
  fingerprint: string | null;
  insecure: boolean;
  token_realms: string[];
  reconcile: boolean;
  created_at: Date;
  updated_at: Date;
  updated_by: string;
  version: string;
}

/** How a registry answered last, by its present settings; all null while it was not asked. */
export interface HealthColumns {
  asked_at: Date | null;
  reachable: boolean | null;
  since: Date | null;
  why: string | null;
  rate_limit_remaining: number | null;
}
export type RegistryWithHealth = RegistryRow & HealthColumns;

export type NewRegistry = Omit<RegistryRow, 'created_at' | 'updated_at' | 'version'>;

const COLUMNS =
  'host, url, credentials, credentials_kind, fingerprint, insecure, token_realms, reconcile, created_at, updated_at, updated_by, version';
/** What was learned with older settings says nothing of these. */
const WITH_HEALTH = `select r.*, h.asked_at, h.reachable, h.since, h.why, h.rate_limit_remaining
  from (select ${COLUMNS} from registries) r left join registry_health h using (host, version)`;

/** Makes the registry or replaces all of it; only the time of its making stays. */
export async function putRegistry(pool: Pool, registry: NewRegistry): Promise<RegistryRow & { created: boolean }> {
  const { rows } = await pool.query<RegistryRow & { created: boolean }>(
    `insert into registries (host, url, credentials, credentials_kind, fingerprint, insecure, token_realms, reconcile, updated_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (host) do update set url = excluded.url, credentials = excluded.credentials,
       credentials_kind = excluded.credentials_kind, fingerprint = excluded.fingerprint, insecure = excluded.insecure,
       token_realms = excluded.token_realms, reconcile = excluded.reconcile, updated_by = excluded.updated_by,
       updated_at = now(), version = gen_random_uuid()
     returning ${COLUMNS}, xmax = 0 as created`,
    [
      registry.host,
      registry.url,
      registry.credentials,
      registry.credentials_kind,
      registry.fingerprint,
      registry.insecure,
      registry.token_realms,
      registry.reconcile,
      registry.updated_by,
    ],
  );
  if (rows[0] === undefined) throw new Error('writing a registry gave no row');
  return rows[0];
}

export async function readRegistry(pool: Pool, host: string): Promise<RegistryWithHealth | null> {
  const { rows } = await pool.query<RegistryWithHealth>(`${WITH_HEALTH} where host = $1`, [host]);
  return rows[0] ?? null;
}

/** By host, after `after`. */
export async function listRegistries(
  pool: Pool,
  limit: number,
  after: string | undefined,
): Promise<RegistryWithHealth[]> {
  const { rows } = await pool.query<RegistryWithHealth>(
    `${WITH_HEALTH} where $2::text is null or host > $2 order by host limit $1`,
    [limit + 1, after ?? null],
  );
  return rows;
}

/** True when there was one. */
export async function deleteRegistry(pool: Pool, host: string): Promise<boolean> {
  const { rowCount } = await pool.query('delete from registries where host = $1', [host]);
  return rowCount === 1;
}

/**
 * Writes how a registry answered, unless its settings have changed since, it is gone, or something newer was written. Running it
 * twice changes nothing more; `since` stays while the registry is as it was.
 */
export async function recordRegistryHealth(
  pool: Pool,
  health: {
    host: string;
    version: string;
    at: Date;
    reachable: boolean;
    why: string | null;
    rateLimitRemaining: number | null;
  },
): Promise<void> {
  await pool.query(
    `insert into registry_health as known (host, version, asked_at, reachable, since, why, rate_limit_remaining)
     select host, version, $3::timestamptz, $4, $3::timestamptz, $5, $6 from registries where host = $1 and version = $2
     on conflict (host) do update set version = excluded.version, asked_at = excluded.asked_at, reachable = excluded.reachable,
       since = case when known.version = excluded.version and known.reachable = excluded.reachable
                    then known.since else excluded.since end,
       why = excluded.why, rate_limit_remaining = excluded.rate_limit_remaining
     where known.version <> excluded.version or known.asked_at < excluded.asked_at`,
    [health.host, health.version, health.at, health.reachable, health.why, health.rateLimitRemaining],
  );
}
