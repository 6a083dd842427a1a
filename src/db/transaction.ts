import type { Pool, PoolClient } from 'pg';
import { isSilent } from './database-errors';
import { patienceOf, SILENCE_MS } from './pool';

const LONG_STATEMENT_MS = 600_000;

/** Runs `work` in one transaction on one connection; any error rolls it back and is thrown on. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const patience = patienceOf(client).query_timeout;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    // A connection that cannot even roll back is thrown away, not returned to the pool in an unknown state.
    if (isSilent(error)) broken = error;
    else
      await client.query('rollback').catch((failure: unknown) => {
        broken = failure instanceof Error ? failure : new Error(String(failure));
      });
    throw error;
  } finally {
    patienceOf(client).query_timeout = patience;
    client.release(broken);
  }
}

/** For statements over a whole fleet: until the end of its transaction, PostgreSQL works on one for up to ten minutes, and is waited for. */
export async function allowLongStatements(client: PoolClient): Promise<void> {
  await client.query(`set local statement_timeout = ${LONG_STATEMENT_MS}`);
  patienceOf(client).query_timeout = LONG_STATEMENT_MS + SILENCE_MS;
}
