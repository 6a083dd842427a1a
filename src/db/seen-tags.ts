import type { Pool } from 'pg';
import type { KnownTag } from '../domain/seen-tag';

/** Rows a statement writes. */
const CHUNK = 5000;

/** All that is remembered of an image's tags. */
export async function readKnownTags(pool: Pool, image: string, settleSeconds: number): Promise<Map<string, KnownTag>> {
  const { rows } = await pool.query<KnownTag & { tag: string }>(
    `select tag, digest, pending_digest as "pendingDigest",
            coalesce(pending_since <= now() - make_interval(secs => $2), false) as ripe
       from registry_tags where image = $1`,
    [image, settleSeconds],
  );
  return new Map(rows.map(({ tag, ...known }) => [tag, known]));
}

/** Of a registry, the tags with a digest whose webhook has had its time. */
export async function readRipeTags(
  pool: Pool,
  host: string,
  settleSeconds: number,
  limit: number,
): Promise<{ image: string; tag: string; digest: string; askedAt: string }[]> {
  const { rows } = await pool.query<{ image: string; tag: string; digest: string; askedAt: string }>(
    `select t.image, t.tag, t.pending_digest as digest, now()::text as "askedAt"
       from watched_repositories w join registry_tags t using (image)
      where w.host = $1 and t.pending_digest is not null and t.pending_since <= now() - make_interval(secs => $2)
      order by t.pending_since, t.image, t.tag limit $3`,
    [host, settleSeconds, limit],
  );
  return rows;
}

export interface SightedTag {
  tag: string;
  digest: string;
  /** It came to light, and is not known as the tag's digest yet. */
  pending: boolean;
}

/**
 * Remembers what was seen by a look that began at `askedAt`. What a later look has written since stays, so that several at once
 * do no harm; a digest that is pending already goes on waiting from its first sight.
 */
export async function recordSeen(
  pool: Pool,
  image: string,
  seen: readonly SightedTag[],
  { askedAt, lookedAt }: { askedAt: string; lookedAt: string | null },
): Promise<void> {
  if (seen.length === 0) return;
  await pool.query(
    `insert into registry_tags as known (image, tag, digest, first_seen_at, last_seen_at, pending_digest, pending_since, unseen_since)
     select $1, tag, case when not pending then digest end, $5::timestamptz, $5::timestamptz,
            case when pending then digest end, case when pending then now() end, case when pending then coalesce($6::timestamptz, '-infinity') end
       from unnest($2::text[], $3::text[], $4::boolean[]) as seen (tag, digest, pending)
      -- In one order, so that two looks cannot wait for each other.
      order by tag
     on conflict (image, tag) do update set
       digest = coalesce(excluded.digest, known.digest),
       first_seen_at = case when excluded.digest <> known.digest then excluded.first_seen_at else known.first_seen_at end,
       last_seen_at = case when excluded.digest is null then known.last_seen_at else excluded.last_seen_at end,
       pending_digest = excluded.pending_digest,
       pending_since = case when excluded.pending_digest = known.pending_digest then known.pending_since else excluded.pending_since end,
       unseen_since = case when excluded.pending_digest is null then null
         else coalesce(known.unseen_since, case when known.digest is null then excluded.unseen_since else known.last_seen_at end) end
      where known.last_seen_at <= $5::timestamptz`,
    [
      image,
      seen.map((one) => one.tag),
      seen.map((one) => one.digest),
      seen.map((one) => one.pending),
      askedAt,
      lookedAt,
    ],
  );
}

/** Remembers that tags are there, whatever they point to. */
export async function recordNames(pool: Pool, image: string, tags: readonly string[], askedAt: string): Promise<void> {
  for (let start = 0; start < tags.length; start += CHUNK)
    await pool.query(
      `insert into registry_tags (image, tag, first_seen_at, last_seen_at)
       select $1, tag, $3::timestamptz, $3::timestamptz from unnest($2::text[]) as tag order by tag on conflict do nothing`,
      [image, tags.slice(start, start + CHUNK), askedAt],
    );
}
