import { ConfigError, loadConfig } from '../config';
import { migrate } from '../db/migrate';
import { explainUnreachable } from '../db/unreachable';

/** The one-shot that the stack runs before API and worker, in a process of its own as in production. */
async function main(): Promise<void> {
  const { DATABASE_URL, DATABASE_LISTEN_URL } = loadConfig();
  // Not through a pooler: two migrations wait for each other by a lock that a session holds, and a pooler's are everybody's.
  const url = DATABASE_LISTEN_URL ?? DATABASE_URL;
  if (url === undefined)
    throw new ConfigError('DATABASE_URL is not set: give it, such as postgres://user:password@host:5432/fleetwave');
  try {
    const log = (message: string): boolean => process.stderr.write(`fleetwave migrate: ${message}\n`);
    for (const name of await migrate(url, { log })) process.stdout.write(`${name}\n`);
  } catch (error) {
    const explained = explainUnreachable(url, error);
    throw explained === null ? error : new ConfigError(explained);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`fleetwave migrate: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
