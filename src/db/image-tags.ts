import type { Pool, PoolClient } from 'pg';

export interface ImageTagRow {
  id: string;
  tag: string;
  digest: string | null;
  recommended: boolean;
  deprecated: boolean;
  approved_at: Date;
  approved_by: string;
}

type ListedTag = ImageTagRow & { approved_key: string };

const COLUMNS = 'id, tag, digest, recommended, deprecated, approved_at, approved_by';

export interface NewImageTag {
  tag: string;
  digest: string | null;
  recommended: boolean;
  deprecated: boolean;
  approvedBy: string;
}

/** `exists` where this tag and digest are listed already, `no_image` where the image is gone. */
export async function createImageTag(
  pool: Pool,
  imageId: string,
  tag: NewImageTag,
): Promise<ImageTagRow | 'exists' | 'no_image'> {
  const { rows } = await pool.query<ImageTagRow & { found: boolean }>(
    `with owner as (
       select id from images where id = $1 for key share
     ), created as (
       insert into image_tags (image_id, tag, digest, recommended, deprecated, approved_by)
       select id, $2, $3, $4, $5, $6 from owner
       on conflict on constraint image_tags_once do nothing returning ${COLUMNS}
     )
     select exists (select from owner) as found, created.* from (select) as always left join created on true`,
    [imageId, tag.tag, tag.digest, tag.recommended, tag.deprecated, tag.approvedBy],
  );
  const row = rows[0];
  if (row?.found !== true) return 'no_image';
  const { found: _found, ...created } = row;
  return (created.id as string | null) === null ? 'exists' : created;
}

/** Newest approval first. */
export async function listImageTags(
  pool: Pool,
  imageId: string,
  limit: number,
  before: [string, string] | undefined,
): Promise<ListedTag[]> {
  const { rows } = await pool.query<ListedTag>(
    `select ${COLUMNS}, (approved_at at time zone 'UTC')::text || '+00' as approved_key from image_tags
      where image_id = $1 and ($3::timestamptz is null or (approved_at, id) < ($3::timestamptz, $4::uuid))
      order by approved_at desc, id desc limit $2`,
    [imageId, limit + 1, before?.[0] ?? null, before?.[1] ?? null],
  );
  return rows;
}

export async function writeImageTag(
  pool: Pool,
  imageId: string,
  id: string,
  marks: { recommended: boolean; deprecated: boolean },
): Promise<ImageTagRow | null> {
  const { rows } = await pool.query<ImageTagRow>(
    `update image_tags set recommended = $3, deprecated = $4 where id = $2 and image_id = $1 returning ${COLUMNS}`,
    [imageId, id, marks.recommended, marks.deprecated],
  );
  return rows[0] ?? null;
}

export async function deleteImageTag(pool: Pool, imageId: string, id: string): Promise<boolean> {
  const { rowCount } = await pool.query('delete from image_tags where id = $2 and image_id = $1', [imageId, id]);
  return rowCount === 1;
}

/** Lists an image with one approved tag, whichever of the two is not listed yet. */
export async function approveTag(
  client: PoolClient,
  approval: { image: string; name: string; tag: string; digest: string | null; approvedBy: string },
): Promise<void> {
  await client.query(
    `with listed as (
       insert into images (image, name) values ($1, $2)
       on conflict on constraint images_once do update set updated_at = images.updated_at returning id
     )
     insert into image_tags (image_id, tag, digest, approved_by) select id, $3, $4, $5 from listed
     on conflict on constraint image_tags_once do nothing`,
    [approval.image, approval.name, approval.tag, approval.digest, approval.approvedBy],
  );
}
