import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Pool } from 'pg';
import { isDatabaseAway } from '../../src/db/database-errors';
import { createPool } from '../../src/db/pool';
import { allowLongStatements, inTransaction } from '../../src/db/transaction';
import { startLink, type Link } from '../chaos/link';
import { createTestDatabase, type TestDatabase } from '../support/database';

/** A firewall that forgets its connections, or a machine that is gone: nothing is refused, nothing is reset, nothing comes. */
let database: TestDatabase;
let link: Link;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  const url = new URL(database.url);
  const { port } = url;
  link = await startLink(() => Number(port));
  url.port = String(link.port);
  pool = createPool({
    ...{ url: url.href, size: 2, applicationName: 'fleetwave-test', statementTimeoutMs: 1500, silenceMs: 1000 },
    onIdleError: () => undefined,
  });
});
afterAll(async () => {
  await pool.end();
  await link.close();
  await database.drop();
});

test('a statement on a connection that died without a word fails as an absent database, and the next one has another', async () => {
  await pool.query('select 1');
  link.vanish();
  const failure = await pool.query('select 1').catch((error: unknown) => error);
  expect(isDatabaseAway(failure)).toBe(true);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('so does a transaction, whose connection is thrown away', async () => {
  const failure = await inTransaction(pool, async (client) => {
    await client.query('select 1');
    link.vanish();
    await client.query('select 2');
  }).catch((error: unknown) => error);
  expect(isDatabaseAway(failure)).toBe(true);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a statement over a whole fleet is waited for longer, and only that', async () => {
  const slow = 'select pg_sleep(4)';
  await inTransaction(pool, async (client) => {
    await allowLongStatements(client);
    await client.query(slow);
  });
  await expect(pool.query(slow)).rejects.toThrow('statement timeout');
});
