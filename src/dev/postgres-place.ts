import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Account, PostgresBinaries } from './postgres-binaries';

/** Survives a restart of the machine and can be entered by every user. */
const OPEN_DIRECTORY = '/var/tmp';
const PLACE_PREFIX = 'fleetwave-data-';

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

/**
 * The directory itself where the account can reach it, else one under /var/tmp whose path is kept in `postgres.place`, so
 * that whoever deletes the data directory starts afresh.
 */
export function placeForCluster(directory: string, account: Account | undefined): string {
  if (account === undefined || isReachable(join(directory, 'postgres'), account)) return directory;
  const kept = join(directory, 'postgres.place');
  if (existsSync(kept)) return ownDirectory(readFileSync(kept, 'utf8'));
  removeAbandonedPlaces();
  const place = mkdtempSync(join(OPEN_DIRECTORY, PLACE_PREFIX));
  chmodSync(place, 0o755);
  // In this order, so that a cleaning start beside this one never sees the place without its keeper.
  writeFileSync(kept, place);
  writeFileSync(join(place, 'data-directory'), directory);
  return place;
}

/** For a data directory that is thrown away: removes what was put elsewhere for it. Its server must have ended. */
export function removePlaceOf(directory: string): void {
  const kept = join(directory, 'postgres.place');
  if (!existsSync(kept)) return;
  const place = readFileSync(kept, 'utf8');
  const isOurs = dirname(place) === OPEN_DIRECTORY && basename(place).startsWith(PLACE_PREFIX);
  if (isOurs && existsSync(place) && lstatSync(place).uid === process.getuid?.())
    rmSync(place, { recursive: true, force: true });
}

/** Whose data directory has been deleted, or has another place by now, so that nothing can find the cluster any more. */
function removeAbandonedPlaces(): void {
  for (const name of readdirSync(OPEN_DIRECTORY).filter((entry) => entry.startsWith(PLACE_PREFIX))) {
    const place = join(OPEN_DIRECTORY, name);
    if (lstatSync(place).uid !== process.getuid?.() || !existsSync(join(place, 'data-directory'))) continue;
    const kept = join(readFileSync(join(place, 'data-directory'), 'utf8'), 'postgres.place');
    if (existsSync(kept) && readFileSync(kept, 'utf8') === place) continue;
    if (!existsSync(join(place, 'postgres', 'postmaster.pid'))) rmSync(place, { recursive: true, force: true });
  }
}

/** The binaries as installed, else a copy (60 MB, made once for each installation) that the account can reach. */
export function placeForBinaries(binaries: PostgresBinaries, account: Account | undefined): PostgresBinaries {
  if (account === undefined || isReachable(binaries.postgres, account)) return binaries;
  const native = dirname(dirname(binaries.postgres));
  const key = createHash('sha256')
    .update(`${native}:${statSync(binaries.postgres).mtimeMs}`)
    .digest('hex')
    .slice(0, 16);
  const copy = join(ownDirectory(join(OPEN_DIRECTORY, `fleetwave-postgres-${key}`)), 'native');
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
function ownDirectory(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new Error(`${directory} belongs to somebody else: remove it`);
  return directory;
}
