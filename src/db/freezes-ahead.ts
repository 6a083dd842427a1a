import type { Pool } from 'pg';
import { freezesImage } from '../domain/freeze';
import type { ImageReference } from '../domain/image-reference';
import type { TimedFreeze } from '../domain/plan-times';

/** Freezes that bind a rollout of this image, those that stand and those to come; `byHand`: one that a person asked for. */
export async function freezesAhead(
  client: Pick<Pool, 'query'>,
  reference: Pick<ImageReference, 'image' | 'tag'>,
  byHand: boolean,
): Promise<TimedFreeze[]> {
  const { rows } = await client.query<TimedFreeze & { imagePattern: string | null }>(
    `select image_pattern as "imagePattern", fleet_id as "fleetId", reason,
            (extract(epoch from starts_at) * 1000)::float8 as "startsAtMs", (extract(epoch from ends_at) * 1000)::float8 as "endsAtMs"
       from freezes where lifted_at is null and ends_at > fleetwave.now() and (binds = 'all' or not $1)
      order by starts_at, id`,
    [byHand],
  );
  return rows.flatMap(({ imagePattern, ...freeze }) => (freezesImage(imagePattern, reference) ? [freeze] : []));
}
