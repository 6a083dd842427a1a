import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { assertSchemaCurrent, expectedMigrations, SchemaVersionError } from '../../src/db/migrate';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { connectTemporal } from '../support/temporal';

describe('a test database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test('has the schema that this build needs', async () => {
    await expect(assertSchemaCurrent(database.pool)).resolves.toBeUndefined();
  });

  test('gives bigint columns as numbers and refuses one that would be rounded', async () => {
    const { rows } = await database.pool.query<{ count: number }>(
      'select count(*) as count from generate_series(1, 3)',
    );
    expect(rows).toEqual([{ count: 3 }]);
    await expect(database.pool.query('select 9007199254740993::bigint')).rejects.toThrow('does not fit');
  });

  test('is refused by a build that is ahead of it, naming the remedy', async () => {
    const ahead = [...expectedMigrations(), '9999_later'];
    await expect(assertSchemaCurrent(database.pool, ahead)).rejects.toThrow(
      `database schema is at ${expectedMigrations().at(-1)}, this build needs 9999_later: run \`npx fleetwave migrate\``,
    );
  });

  test('is refused by a build that is behind it only when a migration it lacks is marked breaking', async () => {
    const behind = expectedMigrations();
    await database.pool.query("insert into fleetwave_migrations (name, run_on) values ('9998_additive', now())");
    await expect(assertSchemaCurrent(database.pool, behind)).resolves.toBeUndefined();
    await database.pool.query("insert into fleetwave_migrations (name, run_on) values ('9999_breaking_change', now())");
    await expect(assertSchemaCurrent(database.pool, behind)).rejects.toThrow(SchemaVersionError);
  });

  test('can be made many times at once from the one template', async () => {
    const databases = await Promise.all(Array.from({ length: 6 }, createTestDatabase));
    expect(new Set(databases.map(({ url }) => url)).size).toBe(6);
    await Promise.all(databases.map((one) => one.drop()));
  });
});

test('the Temporal dev server of this run answers', async () => {
  const temporal = await connectTemporal();
  const { namespaceInfo } = await temporal.client.workflowService.describeNamespace({ namespace: temporal.namespace });
  expect(namespaceInfo?.name).toBe('default');
  await temporal.close();
});
