import type { Pool, PoolClient } from 'pg';

/** What could not be learned, and why; tried again in the next round. */
export interface UnknownThing {
  image: string;
  /** Null: which tags there are. */
  tag: string | null;
  reason: string;
  why: string;
}

export interface RoundCounts {
  repositories: number;
  /** Asked for. */
  tags: number;
  /** Watched, and left for another round. */
  left_out: number;
  /** How many things could not be learned; `unknowns` are the first of them. */
  unknown: number;
  unknowns: UnknownThing[];
}

export interface RoundRow extends RoundCounts {
  started_at: Date;
  ended_at: Date | null;
  /** Pushes that came to light. */
  found: number;
  /** Of those, the ones that no webhook had told of. */
  missed: number;
  missed_ever: number;
}

/** False where the registry is gone, or is not to be looked at. */
export async function beginRound(pool: Pool, host: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `insert into registry_rounds (host, started_at) select host, now() from registries where host = $1 and reconcile
     on conflict (host) do update set started_at = now(), ended_at = null, repositories = 0, tags = 0, found = 0, missed = 0,
       left_out = 0, unknown = 0, unknowns = '[]'`,
    [host],
  );
  return rowCount === 1;
}

export async function endRound(pool: Pool, host: string, counts: RoundCounts): Promise<void> {
  await pool.query(
    `update registry_rounds set ended_at = now(), repositories = $2, tags = $3, left_out = $4, unknown = $5, unknowns = $6
      where host = $1`,
    [host, counts.repositories, counts.tags, counts.left_out, counts.unknown, JSON.stringify(counts.unknowns)],
  );
}

/** Counts a push in the transaction that took it: once, whatever is tried again. */
export async function countFound(client: PoolClient, host: string, missed: boolean): Promise<void> {
  await client.query(
    `update registry_rounds set found = found + 1, missed = missed + $2::integer, missed_ever = missed_ever + $2::integer where host = $1`,
    [host, missed ? 1 : 0],
  );
}

export async function readRound(pool: Pool, host: string): Promise<RoundRow | null> {
  const { rows } = await pool.query<RoundRow>('select * from registry_rounds where host = $1', [host]);
  return rows[0] ?? null;
}

/** For each registry, how many pushes webhooks have missed in all rounds. */
export async function missedEver(pool: Pool): Promise<{ host: string; missed: number }[]> {
  const { rows } = await pool.query<{ host: string; missed: number }>(
    'select host, missed_ever as missed from registry_rounds order by host',
  );
  return rows;
}
