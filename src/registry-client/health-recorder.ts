import type { Pool } from 'pg';
import { recordRegistryHealth } from '../db/registries';
import type { Logger } from '../log';
import type { RegistryHealth } from './client';

/** A registry is asked for many tags in a row: what does not change is written this often. */
const EVERY_MS = 60_000;

/** The `onHealth` of a client: writes how a registry answered, now and then. Losing one loses nothing. */
export function recordHealth(pool: Pool, log: Logger): (health: RegistryHealth) => void {
  const written = new Map<string, RegistryHealth>();
  return (health) => {
    const last = written.get(health.host);
    if (last !== undefined && !isNews(health, last)) return;
    written.set(health.host, health);
    recordRegistryHealth(pool, health).catch((error: unknown) => {
      written.delete(health.host);
      log.warn({ registry: health.host, err: error }, 'how the registry answered could not be written');
    });
  };
}

function isNews(now: RegistryHealth, last: RegistryHealth): boolean {
  const changed = now.reachable !== last.reachable || now.version !== last.version;
  return changed || now.at.getTime() - last.at.getTime() >= EVERY_MS;
}
