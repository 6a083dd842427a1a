import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Account, PostgresBinaries } from './postgres-binaries';

/** Survives a restart of the machine and can be entered by every user. */
const OPEN_DIRECTORY = '/var/tmp';

/**
 * Whether the account may enter every directory on the way. Root's checkout often lies where only root may go (`/root`,
 * a directory from `mktemp -d`), and PostgreSQL does not run as root.
 */
export function isReachable(path: string, account: Account): boolean {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const { mode, uid, gid } = statSync(directory);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

/** The directory itself where the account can reach it, else one under /var/tmp that belongs to it alone. */
export function placeForCluster(directory: string, account: Account | undefined): string {
  if (account === undefined || isReachable(join(directory, 'postgres'), account)) return directory;
  return openDirectory(directory);
}

/** The binaries as installed, else a copy (60 MB, made once for each installation) that the account can reach. */
export function placeForBinaries(binaries: PostgresBinaries, account: Account | undefined): PostgresBinaries {
  if (account === undefined || isReachable(binaries.postgres, account)) return binaries;
  const native = dirname(dirname(binaries.postgres));
  const copy = join(openDirectory(`${native}:${statSync(binaries.postgres).mtimeMs}`), 'native');
  if (!existsSync(copy)) {
    const temporary = `${copy}.${process.pid}`;
    cpSync(native, temporary, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(temporary, copy);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      if (!existsSync(copy)) throw error;
    }
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') };
}

/** Anyone may write to /var/tmp, so a directory that somebody else put there under our name is refused. */
function openDirectory(key: string): string {
  const directory = join(OPEN_DIRECTORY, `fleetwave-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw new Error(`${directory} belongs to somebody else: remove it`);
  return directory;
}
