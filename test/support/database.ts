import { randomUUID } from 'node:crypto';
import { Client, type Pool } from 'pg';
import { createPool } from '../../src/db/pool';
import { testServers } from './facts';

export interface TestDatabase {
  url: string;
  pool: Pool;
  /** Ends the pool and drops the database, whoever else is still connected to it. */
  drop(): Promise<void>;
}

/** PostgreSQL refuses to copy a template that another session is copying at that moment. */
const TEMPLATE_IN_USE = '55006';

/** A migrated, empty database of its own: a copy of the template, about 50 ms. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { FLEETWAVE_TEST_DATABASE_URL: serverUrl, FLEETWAVE_TEST_TEMPLATE: template } = testServers();
  const name = `fleetwave_test_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, (client) => copyTemplate(client, name, template));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = createPool({ url: url.href, size: 10, applicationName: 'fleetwave-test', onIdleError: () => undefined });
  return {
    url: url.href,
    pool,
    async drop() {
      if (!pool.ended) await pool.end();
      await administer(serverUrl, (client) => client.query(`drop database if exists ${name} with (force)`));
    },
  };
}

async function copyTemplate(client: Client, name: string, template: string): Promise<void> {
  for (;;) {
    try {
      await client.query(`create database ${name} template ${template}`);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === TEMPLATE_IN_USE)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function administer(url: string, run: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await run(client);
  } finally {
    await client.end();
  }
}
