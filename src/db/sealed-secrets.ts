import type { Pool } from 'pg';

export interface SealedSecrets {
  what: 'source' | 'registry';
  name: string;
  sealed: Buffer[];
}

/** What is stored encrypted, the first `limit` of sources and of registries by name. */
export async function listSealedSecrets(pool: Pool, limit: number): Promise<SealedSecrets[]> {
  const { rows } = await pool.query<SealedSecrets>(
    `(select 'source' as what, name, secrets as sealed from webhook_sources where cardinality(secrets) > 0 order by name limit $1)
     union all
     (select 'registry', host, array[credentials] from registries where credentials is not null order by host limit $1)`,
    [limit],
  );
  return rows;
}
