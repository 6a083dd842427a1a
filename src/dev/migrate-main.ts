import { loadConfig } from '../config';
import { migrate } from '../db/migrate';

/** The one-shot that the stack runs before API and worker, in a process of its own as in production. */
async function main(): Promise<void> {
  const { DATABASE_URL: url } = loadConfig();
  if (url === undefined) throw new Error('DATABASE_URL is not set: give the PostgreSQL to migrate.');
  for (const name of await migrate(url)) process.stdout.write(`${name}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
