import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { migrate } from '../db/migrate';
import { createPool } from '../db/pool';
import { startPostgres } from './postgres';
import { removePlaceOf } from './postgres-place';
import { dumpSchema } from './schema-dump';

const TARGET = resolve(__dirname, '..', '..', 'test', 'support', 'schema.sql');

/** `npm run schema:dump`: migrates an empty embedded database and writes down what came out. */
async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-schema-'));
  chmodSync(directory, 0o755);
  const postgres = await startPostgres({ directory, volatile: true });
  try {
    const url = postgres.url('postgres');
    await migrate(url);
    const pool = createPool({ url, size: 2, applicationName: 'fleetwave-schema-dump' });
    writeFileSync(TARGET, await dumpSchema(pool));
    await pool.end();
  } finally {
    await postgres.stop();
    removePlaceOf(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
