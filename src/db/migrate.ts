import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Pool } from 'pg';

/** The same from `src/db` and from `dist/db`. */
const MIGRATIONS_DIRECTORY = resolve(__dirname, '..', '..', 'migrations');
const MIGRATIONS_TABLE = 'fleetwave_migrations';
const UNDEFINED_TABLE = '42P01';

/** How long a statement of a migration waits for a table; whoever polls waits behind it for as long. */
const LOCK_TIMEOUT_MS = 2000;
/** Between two tries, so that those who waited get their turn. */
const PAUSE_MS = 1000;
/** Above the ten minutes that the longest statement of a rollout may take. */
const TRIES = 300;
const LOCK_NOT_AVAILABLE = '55P03';
const STILL_IN_USE =
  'a table that a migration changes was in use all the time: end the transaction that holds it (pg_stat_activity, xact_start), then run this again';

export interface MigrateOptions {
  directory?: string;
  log?: (message: string) => void;
}

/**
 * Applies the migrations that the database does not have yet, each in its own transaction, and answers their names.
 * Two processes that migrate at once wait for each other (advisory lock), the second then finds nothing to do. API and worker may
 * run meanwhile: a migration never waits long for a table, because every poll would wait behind it; it is rolled back, and tried again.
 * @throws when a table stays in use for ten minutes.
 */
export async function migrate(databaseUrl: string, { directory, log }: MigrateOptions = {}): Promise<string[]> {
  const say = log ?? (() => undefined);
  const names: string[] = [];
  for (let tries = 1; ;) {
    try {
      const applied = await applyNext(databaseUrl, directory ?? MIGRATIONS_DIRECTORY);
      if (applied === null) return names;
      names.push(applied);
      tries = 1;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (tries === TRIES) throw new Error(STILL_IN_USE, { cause: error });
      if (tries === 1) say('a table is in use by a long transaction: trying again until it is free');
      tries += 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** The next migration that the database does not have, in a transaction; its name, or null where it has all. */
async function applyNext(databaseUrl: string, dir: string): Promise<string | null> {
  const { runner } = await import('node-pg-migrate');
  const applied = await runner({
    databaseUrl: { connectionString: databaseUrl, lock_timeout: LOCK_TIMEOUT_MS },
    dir,
    ignorePattern: '(?!\\d{4}_[a-z0-9_]+\\.sql$).*',
    schema: 'public',
    migrationsTable: MIGRATIONS_TABLE,
    direction: 'up',
    advisoryLockMode: 'wait',
    count: 1,
    logger: { info: nothing, warn: nothing, error: nothing },
  });
  return applied[0]?.name ?? null;
}

/** What went wrong is thrown, and what was done is answered. */
const nothing = (): void => undefined;

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE;
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
