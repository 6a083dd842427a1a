import { ConfigError, loadConfig } from '../config';
import { migrate } from '../db/migrate';
import { explainUnreachable } from '../db/unreachable';

/** The one-shot that the stack runs before API and worker, in a process of its own as in production. */
async function main(): Promise<void> {
  const { DATABASE_URL: url } = loadConfig();
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
