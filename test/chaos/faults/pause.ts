import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../place';
import type { Part } from '../plan';
import { partOf } from './kill';
import { processTree, signalIfAlive } from './processes';

/** Stops all processes of a part, and lets them go on: of one that was killed meanwhile, those that are left. */
export async function pause(place: Place, part: Part, forMs: number): Promise<void> {
  const stopped = processTree(partOf(place, part).pid).filter((pid) => signalIfAlive(pid, 'SIGSTOP'));
  try {
    await sleep(forMs, undefined, { signal: place.signal });
  } finally {
    for (const pid of stopped) signalIfAlive(pid, 'SIGCONT');
  }
}
