import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../place';

/** Fills PostgreSQL's disk, and gives the space back. */
export async function fillDisk(place: Place, forMs: number): Promise<void> {
  if (place.disk === null) throw new Error(`there is no small disk: ${place.noDisk ?? ''}`);
  const free = place.disk.fill();
  try {
    await sleep(forMs, undefined, { signal: place.signal });
  } finally {
    free();
  }
}
