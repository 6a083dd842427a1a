import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../place';
import type { Way } from '../plan';

const DELAY_MS = 150;

/** Disturbs a way for a while. */
export async function disturb(
  place: Place,
  kind: 'cut' | 'stall' | 'delay' | 'vanish',
  way: Way,
  forMs: number,
): Promise<void> {
  const link = place.links[way];
  if (kind === 'vanish') {
    link.vanish();
    return;
  }
  const callOff = kind === 'cut' ? link.cut() : kind === 'stall' ? link.stall() : link.delay(DELAY_MS);
  try {
    await sleep(forMs, undefined, { signal: place.signal });
  } finally {
    callOff();
  }
}
