import type { Random } from '../../../src/agent/random';
import type { ServiceHandle } from '../../../src/dev/supervisor';
import type { Place } from '../place';
import type { Part } from '../plan';
import { processTree, signalIfAlive } from './processes';

export function partOf({ stack }: Place, part: Part): ServiceHandle {
  const handle = stack[part];
  if (handle === undefined) throw new Error(`${part} is not a server of this stack`);
  return handle;
}

/** The supervisor starts it again. */
export function kill(place: Place, part: Part): void {
  partOf(place, part).kill('SIGKILL');
}

/** One of PostgreSQL's own processes: the others are ended by the first, which then recovers from its log. */
export function killBackend(place: Place, random: Random): void {
  const [, ...children] = processTree(partOf(place, 'postgres').pid);
  const chosen = children[Math.floor(random() * children.length)];
  if (chosen !== undefined) signalIfAlive(chosen, 'SIGKILL');
}
