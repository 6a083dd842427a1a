import type { Pool } from 'pg';
import type { Sample, TableSample } from './sample';

type DatabaseFacts = Pick<Sample, 'connections' | 'oldestTransactionSeconds' | 'databaseMb' | 'tables'>;

/** As PostgreSQL itself counts them; rows and dead rows are its running estimates. */
export async function sampleDatabase(pool: Pool): Promise<DatabaseFacts> {
  const { rows: held } = await pool.query<{ name: string; connections: number }>(
    `select coalesce(nullif(application_name, ''), 'unnamed') as name, count(*)::int as connections
       from pg_stat_activity where backend_type = 'client backend' group by 1`,
  );
  const { rows: tables } = await pool.query<{ name: string } & TableSample>(
    `select relname as name, n_live_tup::float8 as rows, n_dead_tup::float8 as dead,
            pg_table_size(relid)::float8 as "tableBytes", pg_indexes_size(relid)::float8 as "indexBytes",
            (vacuum_count + autovacuum_count)::int as vacuums
       from pg_stat_user_tables where n_live_tup + n_dead_tup > 0 order by relname`,
  );
  const { rows: whole } = await pool.query<{ oldest: number; size: number }>(
    `select coalesce(max(extract(epoch from now() - xact_start)), 0)::float8 as oldest,
            pg_database_size(current_database())::float8 as size
       from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  return {
    connections: Object.fromEntries(held.map(({ name, connections }) => [name, connections])),
    oldestTransactionSeconds: whole[0]?.oldest ?? 0,
    databaseMb: (whole[0]?.size ?? 0) / 1024 / 1024,
    tables: Object.fromEntries(tables.map(({ name, ...table }) => [name, table])),
  };
}
