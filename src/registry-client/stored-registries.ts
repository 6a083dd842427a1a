import type { Pool } from 'pg';
import { z } from 'zod';
import { readRegistry, type RegistryRow } from '../db/registries';
import { createSecretBox, SealedSecretError } from '../secret-box';
import { RegistryTrouble } from './answers';
import type { Credentials, RegistrySettings } from './settings';

/** How long a change takes to be seen by other processes; saves a statement a question. */
const KEPT_MS = 10_000;

/** What is sealed of a registry. */
const SealedCredentials: z.ZodType<Credentials> = z.union([
  z.strictObject({ username: z.string(), password: z.string() }),
  z.strictObject({ token: z.string() }),
]);

/** What a registry's sealed credentials are bound to. */
export function credentialsPlace(host: string): string {
  return `registry:${host}`;
}

/** The `findRegistry` of a client over the database. */
export function storedRegistries(
  pool: Pool,
  secretsKey: string | undefined,
): (host: string) => Promise<RegistrySettings | null> {
  const kept = new Map<string, { at: number; settings: RegistrySettings | null }>();
  return async (host) => {
    const found = kept.get(host);
    if (found !== undefined && Date.now() - found.at < KEPT_MS) return found.settings;
    const row = await readRegistry(pool, host);
    const settings = row === null ? null : toSettings(row, secretsKey);
    // Hosts that are not configured come from events: they are not kept.
    if (settings === null) kept.delete(host);
    else kept.set(host, { at: Date.now(), settings });
    return settings;
  };
}

/** @throws RegistryTrouble where the credentials cannot be opened: asking without them would tell of "no such tag". */
export function toSettings(row: RegistryRow, secretsKey: string | undefined): RegistrySettings {
  const { host, url, insecure, version } = row;
  return { host, url, insecure, version, tokenRealms: row.token_realms, credentials: openCredentials(row, secretsKey) };
}

function openCredentials({ host, credentials }: RegistryRow, secretsKey: string | undefined): Credentials | null {
  if (credentials === null) return null;
  if (secretsKey === undefined)
    throw new RegistryTrouble(
      'unusable',
      `the credentials of ${host} are encrypted, and FLEETWAVE_SECRETS_KEY is not set`,
    );
  try {
    return SealedCredentials.parse(JSON.parse(createSecretBox(secretsKey).open(credentials, credentialsPlace(host))));
  } catch (error) {
    if (error instanceof SealedSecretError)
      throw new RegistryTrouble('unusable', `the credentials of ${host} cannot be used: ${error.message}`);
    throw error;
  }
}
