import { homedir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config';

/** Where programs that were downloaded or built once are kept for every checkout of this user. */
export function cacheDirectory(): string {
  return join(loadConfig().XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'fleetwave');
}
