import type { Pool } from 'pg';

/** Came to light at its registry, and is not taken yet. */
export interface PendingPush {
  image: string;
  tag: string;
  digest: string;
  seen_at: Date;
}

/** Was taken from its registry, no webhook having told of it. */
export interface MissedPush {
  image: string;
  tag: string;
  digest: string;
  outcome: string;
  rollout_id: string | null;
  taken_at: Date;
  delivery_id: string;
}

/** How many there are, and the oldest of them. */
export async function readPendingPushes(
  pool: Pool,
  host: string,
  limit: number,
): Promise<{ count: number; pushes: PendingPush[] }> {
  const { rows } = await pool.query<PendingPush & { count: number }>(
    `select t.image, t.tag, t.pending_digest as digest, t.pending_since as seen_at, count(*) over ()::integer as count
       from watched_repositories w join registry_tags t using (image)
      where w.host = $1 and t.pending_digest is not null order by t.pending_since, t.image, t.tag limit $2`,
    [host, limit],
  );
  return { count: rows[0]?.count ?? 0, pushes: rows.map(({ count: _, ...push }) => push) };
}

/**
 * Newest first, each with its first result that is no duplicate: what was only a duplicate, somebody had told of. Found by the
 * index over a source's deliveries, of which looks make few.
 */
export async function readMissedPushes(
  pool: Pool,
  { source, host, limit }: { source: string; host: string; limit: number },
): Promise<MissedPush[]> {
  const { rows } = await pool.query<MissedPush>(
    `select d.id as delivery_id, d.received_at as taken_at, said.registry || '/' || said.repository as image, said.tag, said.digest,
            said.outcome, said.rollout_id
       from webhook_deliveries d cross join lateral (
         select * from rows from (
           jsonb_to_recordset(d.results) as (registry text, repository text, tag text, digest text, outcome text, rollout_id text)
         ) with ordinality as one (registry, repository, tag, digest, outcome, rollout_id, place)
          where one.outcome <> 'duplicate' order by one.place limit 1
       ) said
      where d.source = $1 and lower(said.registry) = $2
      order by d.received_at desc, d.id desc limit $3`,
    [source, host, limit],
  );
  return rows;
}
