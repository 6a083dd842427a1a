import type { Pool, PoolClient } from 'pg';

/** Of these lost rollouts, those whose push was accepted again, held or left by an earlier repair. */
export async function readRepaired(pool: Pool, source: string, rolloutIds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ key: string }>(
    // Where no policy decided, there may be one by now.
    `select delivery_key as key from webhook_deliveries
      where source = $1 and delivery_key = any ($2) and results <> '[]' and not results @> '[{"outcome": "no_matching_policy"}]'`,
    [source, rolloutIds],
  );
  return rows.map((row) => row.key);
}

/** Holds a revision back, as the rollback of its rollout did; a hold that stands stays as it is. */
export async function placeHold(
  client: PoolClient,
  { image, tag, revision, reason }: { image: string; tag: string; revision: string; reason: string },
): Promise<void> {
  await client.query(
    `insert into image_holds (image, tag, revision, reason) values ($1, $2, $3, $4)
     on conflict (image, tag, revision) where lifted_at is null do nothing`,
    [image, tag, revision, reason],
  );
}
