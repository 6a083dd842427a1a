import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { commandLineOf } from './leftovers';

const API_URL_FILE = 'api.url';

interface Owner {
  pid: number;
  command: string;
}

/**
 * Makes the data directory this process's own until `release`. Two stacks on one directory would run two servers on the
 * same files.
 */
export function claimDataDirectory(path: string): { directory: string; release: () => void } {
  const directory = resolve(path);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'owner.json');
  const owner = readOwner(file);
  if (owner !== undefined && owner.command !== '' && commandLineOf(owner.pid) === owner.command) {
    throw new Error(
      `Fleetwave already runs on ${directory} (process ${owner.pid}): stop it, or set FLEETWAVE_DATA_DIR to another directory.`,
    );
  }
  writeFileSync(file, JSON.stringify({ pid: process.pid, command: commandLineOf(process.pid) ?? '' } satisfies Owner));
  return { directory, release: () => rmSync(file, { force: true }) };
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

/** The admin token of an installation without a configured one: made once, so that scripts survive a restart. */
export function keptAdminToken(directory: string): string {
  const file = join(directory, 'admin.token');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8').trim();
}

/** The key of the webhook sources' secrets, likewise: whoever loses it sets the secrets anew. */
export function keptSecretsKey(directory: string): string {
  const file = join(directory, 'secrets.key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8').trim();
}

/** A small number that a server had last time, such as its port. */
export function keptNumber(directory: string, name: string): number | undefined {
  const file = join(directory, name);
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) || undefined : undefined;
}

export function keepNumber(directory: string, name: string, value: number): void {
  writeFileSync(join(directory, name), String(value));
}

/** Where the API is while the stack runs, so that the `fleetwave` command finds it on whatever port it has (src/cli/access.ts). */
export function keepApiUrl(directory: string, url: string): void {
  writeFileSync(join(directory, API_URL_FILE), url);
}

export function forgetApiUrl(directory: string): void {
  rmSync(join(directory, API_URL_FILE), { force: true });
}
