import { Client, type Pool } from 'pg';

/** The way to stop a process in the middle of a statement without a branch for tests in its code: hold a row it needs. */
export interface HeldRows {
  release(): Promise<void>;
}

/**
 * Runs a `select ... for update` and keeps its locks until released. On a connection of its own, so that a test that failed
 * before the release does not keep a pool from ending.
 */
export async function holdRows(databaseUrl: string, select: string, values: unknown[]): Promise<HeldRows> {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('begin');
  const held = await client.query(select, values);
  if (held.rowCount === 0) throw new Error(`there is no row to hold: ${select}`);
  return {
    async release() {
      await client.end();
    },
  };
}

/** The sessions of a process that wait for a lock. Those of a killed one count: the server learns of its death later. */
export async function waitingSessions(pool: Pool, applicationName: string): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock' and datname = current_database()`,
    [applicationName],
  );
  return rows.map(({ pid }) => pid);
}
