import { Freeze, FreezeList } from './answers';
import type { ApiClient } from './api-client';
import { requireId } from './rollout-commands';
import { drawTable } from './table';
import type { Terminal } from './terminal';

export interface FreezeOptions {
  /** ISO 8601, in UTC. */
  until: string;
  from?: string;
  reason: string;
  image?: string;
  fleet?: string;
  all?: boolean;
}

export interface FreezeListOptions {
  all?: boolean;
  limit?: string;
  json?: boolean;
}

export async function freeze(api: ApiClient, options: FreezeOptions, terminal: Terminal): Promise<void> {
  const made = await api.post(
    '/freezes',
    {
      reason: options.reason,
      ends_at: options.until,
      ...(options.from === undefined ? {} : { starts_at: options.from }),
      ...(options.all === true ? { binds: 'all' } : {}),
      ...(options.image === undefined ? {} : { image_pattern: options.image }),
      ...(options.fleet === undefined ? {} : { fleet_id: options.fleet }),
    },
    Freeze,
  );
  terminal.write(`${described(made)}\nfleetwave unfreeze ${made.id} lifts it.\n`);
}

export async function listFreezes(api: ApiClient, options: FreezeListOptions, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams({ active: options.all === true ? 'all' : 'true' });
  if (options.limit !== undefined) query.set('limit', options.limit);
  const { freezes, next_cursor } = await api.get(`/freezes?${query.toString()}`, FreezeList);
  if (options.json === true) {
    terminal.write(`${JSON.stringify(freezes, undefined, 2)}\n`);
    return;
  }
  if (freezes.length === 0) {
    terminal.say(
      options.all === true ? 'There was no freeze yet.\n' : 'Nothing is frozen, and no freeze is to come.\n',
    );
    return;
  }
  const rows = freezes.map((one) => [
    one.id,
    one.status,
    one.binds,
    one.image_pattern ?? 'every',
    one.fleet_id ?? 'every',
    shortTime(one.starts_at),
    shortTime(one.ends_at),
    one.reason,
  ]);
  terminal.write(drawTable(['ID', 'STATUS', 'BINDS', 'IMAGE', 'FLEET', 'FROM', 'UNTIL', 'REASON'], rows));
  if (next_cursor) terminal.say('There are more; raise --limit.\n');
}

export async function unfreeze(api: ApiClient, id: string, terminal: Terminal): Promise<void> {
  requireId(id, 'freeze', 'freezes');
  const path = `/freezes/${encodeURIComponent(id)}`;
  await api.delete(path);
  const { status, ends_at } = await api.get(path, Freeze);
  terminal.write(status === 'ended' ? `${id} had ended already, at ${shortTime(ends_at)}\n` : `${id} is lifted\n`);
}

function described({ status, binds, image_pattern, fleet_id, starts_at, ends_at }: Freeze): string {
  const which = binds === 'all' ? 'Every rollout' : 'Every rollout that no person asked for';
  const image = image_pattern == null ? '' : ` of ${image_pattern}`;
  const fleet = fleet_id == null ? '' : `, on devices of fleet ${fleet_id},`;
  const from = status === 'upcoming' ? ` from ${shortTime(starts_at)}` : '';
  return `${which}${image}${fleet} is frozen${from} until ${shortTime(ends_at)}.`;
}

/** UTC to the minute. */
function shortTime(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')}Z`;
}
