import type { Pool } from 'pg';
import { lockTags } from '../db/accept-push';
import { lockRipe, settlePending, wasAnnounced, type FoundPush } from '../db/found-pushes';
import { countFound } from '../db/reconcile-rounds';
import { inTransaction } from '../db/transaction';
import { parseImageReference } from '../domain/image-reference';
import { acceptWithin, reconcileSource } from '../intake/accept';
import type { Accepted } from '../intake/accept-push';

export interface DuePush {
  host: string;
  image: string;
  tag: string;
  digest: string;
  /** When the look began that found it still there. */
  askedAt: string;
}

export type Taken =
  /** Another look was there first. */
  | { as: 'taken' }
  /** Its webhook came; there is nothing to do. */
  | { as: 'announced' }
  | { as: 'accepted'; missed: boolean; results: Accepted[] };

/**
 * Accepts a push of which no webhook told, as if one had, or notes that one did. All in one transaction that holds the tag: a
 * webhook that comes now is judged after it, and of several looks one takes it.
 */
export function takePush(
  pool: Pool,
  { host, image, tag, digest, askedAt }: DuePush,
  settleSeconds: number,
): Promise<Taken> {
  const parsed = parseImageReference(image);
  if (!parsed.ok) throw new TypeError(`${image} is no normalised image`);
  const { registry, repository } = parsed.reference;
  const found: FoundPush = { image, registry, repository, tag, digest };
  return inTransaction(pool, async (client): Promise<Taken> => {
    await lockTags(client, [`${image}:${tag}`]);
    const ripe = await lockRipe(client, found, settleSeconds);
    if (ripe === null) return { as: 'taken' };
    const announced = await wasAnnounced(client, found, ripe.unseenSince);
    const results = announced
      ? []
      : await acceptWithin(client, {
          ...{ source: reconcileSource, kind: reconcileSource, version: undefined, foundBy: `reconcile:${host}` },
          ...{ repeatWindowSeconds: null, debounceSeconds: 0, request: () => null },
          items: [
            {
              // A tag that is moved back to an earlier digest came to light at another moment.
              key: `${image}:${tag}@${digest} ${ripe.seenAt}`,
              item: { kind: 'push', push: { ...found, imageName: image, eventId: null, pushedAt: null } },
            },
          ],
        });
    await settlePending(client, image, tag, askedAt);
    const accepted = results.flat();
    const missed = accepted.some(({ outcome }) => outcome !== 'duplicate');
    await countFound(client, host, missed);
    return announced ? { as: 'announced' } : { as: 'accepted', missed, results: accepted };
  });
}
