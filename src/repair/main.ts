import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config';
import { assertSchemaCurrent, SchemaVersionError } from '../db/migrate';
import { createPool } from '../db/pool';
import { explainUnreachable } from '../db/unreachable';
import { createLogger } from '../log';
import { startProgress } from './progress';
import { repair } from './repair';
import { report } from './report';

/** `fleetwave repair`: like `migrate`, it works on the database and Temporal themselves, and needs no API that runs. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { apply: { type: 'boolean' }, restored: { type: 'boolean' }, json: { type: 'boolean' } },
  });
  const { apply = false, restored = false, json = false } = values;
  const config = loadConfig();
  const { DATABASE_URL: url } = config;
  if (url === undefined)
    throw new ConfigError('DATABASE_URL is not set: give it, such as postgres://user:password@host:5432/fleetwave');
  const pool = createPool({ url, size: 2, applicationName: 'fleetwave-repair', onIdleError: () => undefined });
  const progress = startProgress();
  try {
    await assertSchemaCurrent(pool);
    const log = createLogger({ level: 'error', component: 'repair' });
    const repaired = await repair({ config, pool, log, apply, restored, progress: (text) => progress.say(text) });
    progress.end();
    process.stdout.write(json ? `${JSON.stringify(repaired, null, 2)}\n` : report(repaired, apply));
    if (repaired.some((one) => one.failed)) process.exitCode = 1;
  } catch (error) {
    const explained = error instanceof SchemaVersionError ? error.message : explainUnreachable(url, error);
    throw explained === null ? error : new ConfigError(explained);
  } finally {
    progress.end();
    await pool.end();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`fleetwave repair: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
