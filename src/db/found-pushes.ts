import type { Pool, PoolClient } from 'pg';

export interface FoundPush {
  image: string;
  registry: string;
  repository: string;
  tag: string;
  digest: string;
}

/**
 * Takes hold of a pending digest whose webhook has had its time, until the transaction ends.
 * @returns null where another look was there first.
 */
export async function lockRipe(
  client: PoolClient,
  { image, tag, digest }: FoundPush,
  settleSeconds: number,
): Promise<{ seenAt: string; unseenSince: string } | null> {
  const { rows } = await client.query<{ seenAt: string; unseenSince: string }>(
    `select to_char(pending_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "seenAt", unseen_since::text as "unseenSince"
       from registry_tags
      where image = $1 and tag = $2 and pending_digest = $3 and pending_since <= now() - make_interval(secs => $4) for update`,
    [image, tag, digest, settleSeconds],
  );
  return rows[0] ?? null;
}

/**
 * Whether somebody told of the push since the tag was last seen without it: a webhook, whatever became of it, or whoever started
 * a rollout. Many senders name no digest; what they told of is this push unless its rollout knows another digest by now.
 */
export async function wasAnnounced(
  client: PoolClient,
  { image, registry, repository, tag, digest }: FoundPush,
  since: string,
): Promise<boolean> {
  const { rows } = await client.query<{ announced: boolean }>(
    `select exists (
       select from image_rollouts r
        where r.image = $1 and r.tag = $4 and r.created_at >= $6::timestamptz and (r.digest is null or r.digest = $5)
     ) or exists (
       select from webhook_deliveries d
         cross join jsonb_to_recordset(d.results) as said (registry text, repository text, tag text, digest text, rollout_id uuid)
        where d.received_at >= $6::timestamptz and d.source <> 'reconcile'
          and said.registry = $2 and said.repository = $3 and said.tag = $4
          and (said.digest = $5
               or said.digest is null and not exists (select from image_rollouts r where r.id = said.rollout_id and r.digest <> $5))
     ) as announced`,
    [image, registry, repository, tag, digest, since],
  );
  return rows[0]?.announced ?? false;
}

/** The pending digest is the tag's from here on. */
export async function settlePending(client: PoolClient, image: string, tag: string, askedAt: string): Promise<void> {
  await client.query(
    `update registry_tags set digest = pending_digest, first_seen_at = pending_since, last_seen_at = greatest(pending_since, $3::timestamptz),
            pending_digest = null, pending_since = null, unseen_since = null
      where image = $1 and tag = $2`,
    [image, tag, askedAt],
  );
}

/** Of the images that active devices are to run, those of one registry: a part of the fleet a statement, so that none is long. */
export async function runningImages(pool: Pool, host: string, beat: () => void): Promise<string[]> {
  const images = new Set<string>();
  for (let after: string | null = '00000000-0000-0000-0000-000000000000'; after !== null;) {
    const { rows }: { rows: { last: string | null; images: string[] }[] } = await pool.query(
      `with chunk as materialized (
         select t.device_uuid, t.apps from device_target_state t join devices d on d.uuid = t.device_uuid and d.is_active
          where t.device_uuid > $1 order by t.device_uuid limit $3
       )
       select (select device_uuid from chunk order by device_uuid desc limit 1) as last,
              array(select distinct image from chunk cross join unnest(fleetwave.app_images(chunk.apps)) as image
                     where lower(split_part(image, '/', 1)) = $2) as images`,
      [after, host, DEVICES],
    );
    for (const image of rows[0]?.images ?? []) images.add(image);
    after = rows[0]?.last ?? null;
    beat();
  }
  return [...images];
}

/** A tenth of a second on one core. */
const DEVICES = 10_000;

/** Tags of an image that active devices are to run; found by the index over images. */
export async function runningTags(pool: Pool, image: string): Promise<string[]> {
  const { rows } = await pool.query<{ tag: string }>(
    `select distinct parsed.tag
       from device_target_state t join devices d on d.uuid = t.device_uuid and d.is_active
         cross join jsonb_array_elements(fleetwave.image_changes(t.apps, $1, 'latest', null, 'tag')) as change
         cross join fleetwave.parse_image(change ->> 'from') as parsed
      where fleetwave.app_images(t.apps) @> array[$1::text] and parsed.tag is not null`,
    [image],
  );
  return rows.map(({ tag }) => tag);
}
