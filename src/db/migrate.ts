import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Pool } from 'pg';

/** The same from `src/db` and from `dist/db`. */
const MIGRATIONS_DIRECTORY = resolve(__dirname, '..', '..', 'migrations');
const MIGRATIONS_TABLE = 'fleetwave_migrations';
const UNDEFINED_TABLE = '42P01';

/**
 * Applies the migrations that the database does not have yet, each in its own transaction, and answers their names.
 * Two processes that migrate at once wait for each other (advisory lock), the second then finds nothing to do.
 */
export async function migrate(
  databaseUrl: string,
  log: (message: string) => void = () => undefined,
): Promise<string[]> {
  const { runner } = await import('node-pg-migrate');
  const applied = await runner({
    databaseUrl,
    dir: MIGRATIONS_DIRECTORY,
    ignorePattern: '(?!\\d{4}_[a-z0-9_]+\\.sql$).*',
    schema: 'public',
    migrationsTable: MIGRATIONS_TABLE,
    direction: 'up',
    singleTransaction: false,
    advisoryLockMode: 'wait',
    logger: { info: log, warn: log, error: log },
  });
  return applied.map((migration) => migration.name);
}

/** Names of the migrations this build was made with, in order. */
export function expectedMigrations(directory: string = MIGRATIONS_DIRECTORY): string[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .map((name) => name.slice(0, -'.sql'.length))
    .sort();
}

/** Names of the migrations the database has, in order. */
export async function appliedMigrations(pool: Pool): Promise<string[]> {
  try {
    const { rows } = await pool.query<{ name: string }>(`select name from public.${MIGRATIONS_TABLE} order by name`);
    return rows.map((row) => row.name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) return [];
    throw error;
  }
}

/** Thrown when a process meets a database it must not work on. */
export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError';
}

/**
 * API and worker call this at their start; they never migrate by themselves.
 * A newer database is accepted, so that a release can be rolled out and back, unless one of its migrations is marked
 * breaking by its name (`0042_breaking_...`).
 * @throws SchemaVersionError naming both versions and the remedy.
 */
export async function assertSchemaCurrent(
  pool: Pool,
  expected: readonly string[] = expectedMigrations(),
): Promise<void> {
  const applied = await appliedMigrations(pool);
  const needed = expected.at(-1) ?? 'nothing';
  const missing = expected.filter((name) => !applied.includes(name));
  if (missing.length > 0) {
    const at = applied.at(-1) ?? 'nothing';
    throw new SchemaVersionError(
      `database schema is at ${at}, this build needs ${needed}: run \`npx fleetwave migrate\``,
    );
  }
  const breaking = applied.find((name) => !expected.includes(name) && /^\d{4}_breaking_/.test(name));
  if (breaking !== undefined) {
    throw new SchemaVersionError(
      `database schema has ${breaking}, which this build (${needed}) does not know: deploy the newer build`,
    );
  }
}
