import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from '../place';
import { pidOf } from '../processes';
import { sampleDatabase } from './database-facts';
import { sampleHeap, samplePostgres, sampleProcess } from './process-facts';
import type { Sample } from './sample';

const BYTES_A_MB = 1024 * 1024;

/** Looks at every process and at the database once. */
export async function takeSample(place: Place, probes: string, devicesPid: number, minutes: number): Promise<Sample> {
  const { stack, pool } = place;
  const metrics = await (await fetch(`${stack.apiUrl}/metrics`)).text();
  const heaps: Sample['heaps'] = {};
  for (const part of ['api', 'worker'] as const) {
    const heap = sampleHeap(probes, stack[part].pid);
    if (heap !== undefined) heaps[part] = heap;
  }
  return {
    minutes,
    processes: {
      api: sampleProcess(stack.api.pid),
      worker: sampleProcess(stack.worker.pid),
      postgres: samplePostgres(pidOf(stack, 'postgres')),
      temporal: sampleProcess(pidOf(stack, 'temporal')),
      devices: sampleProcess(devicesPid),
    },
    heaps,
    ...(await sampleDatabase(pool)),
    temporalStoreMb: sizeOf(stack.directory, 'temporal.db') + sizeOf(stack.directory, 'temporal.db-wal'),
    waitingPolls: Number(/^fleetwave_waiting_polls (\d+)/m.exec(metrics)?.[1] ?? Number.NaN),
  };
}

function sizeOf(directory: string, name: string): number {
  return (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0) / BYTES_A_MB;
}
