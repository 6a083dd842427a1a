import type { Pool } from 'pg';

export interface ImageFields {
  description: string | null;
  category: string | null;
  is_active: boolean;
}

export interface ImageRow extends ImageFields {
  id: string;
  image: string;
  name: string;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = 'id, image, name, description, category, is_active, created_at, updated_at';

/** Null when the image is listed already. */
export async function createImage(
  pool: Pool,
  fields: ImageFields & { image: string; name: string },
): Promise<ImageRow | null> {
  const { rows } = await pool.query<ImageRow>(
    `insert into images (image, name, description, category, is_active) values ($1, $2, $3, $4, $5)
     on conflict on constraint images_once do nothing returning ${COLUMNS}`,
    [fields.image, fields.name, fields.description, fields.category, fields.is_active],
  );
  return rows[0] ?? null;
}

export async function readImage(pool: Pool, id: string): Promise<ImageRow | null> {
  const { rows } = await pool.query<ImageRow>(`select ${COLUMNS} from images where id = $1`, [id]);
  return rows[0] ?? null;
}

/** By name. */
export async function listImages(pool: Pool, limit: number, after: string | undefined): Promise<ImageRow[]> {
  const { rows } = await pool.query<ImageRow>(
    `select ${COLUMNS} from images where $2::text is null or image > $2 order by image limit $1`,
    [limit + 1, after ?? null],
  );
  return rows;
}

export async function writeImage(pool: Pool, id: string, fields: ImageFields): Promise<ImageRow | null> {
  const { rows } = await pool.query<ImageRow>(
    `update images set description = $2, category = $3, is_active = $4, updated_at = clock_timestamp() where id = $1 returning ${COLUMNS}`,
    [id, fields.description, fields.category, fields.is_active],
  );
  return rows[0] ?? null;
}

/** With its tags: nothing of it is approved from then on. */
export async function deleteImage(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query('delete from images where id = $1', [id]);
  return rowCount === 1;
}
