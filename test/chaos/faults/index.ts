import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/agent/random';
import type { ChaosFleet } from '../fleet';
import type { Place } from '../place';
import { faultName, type Fault } from '../plan';
import { fillDisk } from './full-disk';
import { kill, killBackend } from './kill';
import { disturb } from './network';
import { pause } from './pause';

/** Makes each fault at its time; resolves when the last one is over. */
export async function makeFaults(
  place: Place,
  fleet: ChaosFleet,
  faults: readonly Fault[],
  random: Random,
): Promise<void> {
  await Promise.all(
    faults.map(async (fault) => {
      await sleep(fault.atMs, undefined, { signal: place.signal });
      place.note(`${faultName(fault)} (${String(Math.round(fault.forMs / 1000))} s)`);
      await make(place, fleet, fault, random);
    }),
  );
}

async function make(place: Place, fleet: ChaosFleet, fault: Fault, random: Random): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      kill(place, fault.target);
      return;
    case 'kill backend':
      killBackend(place, random);
      return;
    case 'pause':
      return pause(place, fault.target, fault.forMs);
    case 'full disk':
      return fillDisk(place, fault.forMs);
    case 'clock jump':
      // An hour for each second that other faults of this length would last.
      fleet.jump(fault.forMs * 3600);
      return;
    case 'cut':
    case 'stall':
    case 'delay':
    case 'vanish':
      return disturb(place, fault.kind, fault.target, fault.forMs);
  }
}
