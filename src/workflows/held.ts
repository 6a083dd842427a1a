import type { Held } from '../domain/write-permit';
import { devices } from './run';

/** What devices that are due are still waiting for; until when stands beside it. */
export function heldSentence(held: Held): string {
  const whose = held.devices === 0 ? '' : ` for ${devices(held.devices)}`;
  if (held.kind === 'freeze') return `the end of a freeze${whose} (${held.reason ?? 'no reason given'})`;
  if (held.reason !== null) return `a maintenance window${whose} (${held.reason})`;
  return held.until === null
    ? `a maintenance window${whose} that never opens: change the policy's windows and push again`
    : `the maintenance window of ${devices(held.devices)}`;
}
