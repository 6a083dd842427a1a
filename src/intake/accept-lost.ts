import type { Pool } from 'pg';
import { lockTags } from '../db/accept-push';
import { keepResults, recordDeliveries } from '../db/deliveries';
import { placeHold } from '../db/lost-pushes';
import { inTransaction } from '../db/transaction';
import type { PushRemedy } from '../domain/lost-push';
import type { Revision } from '../domain/acceptance';
import { acceptPush, nothing, type Accepted } from './accept-push';
import type { Push } from './push';
import type { Origin } from './waiting-push';

/** The source of the deliveries that pushes stand for which `fleetwave repair` found; no sender may have this name. */
export const repairSource = 'repair';

export interface LostDelivery {
  /** The rollouts that the push had, which the database has forgotten: the keys by which it is taken in once. */
  rolloutIds: readonly string[];
  push: Push;
  revision: Revision;
  trigger: Origin['trigger'];
  actor: string;
  /** It was another attempt, which an operator had asked for. */
  force: boolean;
  remedy: PushRemedy;
}

/**
 * Takes in a push that the database has forgotten, in one transaction: it is accepted as its sender's would be, or held back, or
 * noted. Done twice, the second time answers what the first did.
 */
export function acceptLost(pool: Pool, lost: LostDelivery): Promise<Accepted[]> {
  const { push, remedy, revision } = lost;
  return inTransaction(pool, async (client) => {
    const deliveries = [...(await recordDeliveries(client, repairSource, lost.rolloutIds)).values()];
    const before = deliveries.flatMap(({ results }) => results as Accepted[]);
    if (before.some(({ outcome }) => outcome !== 'no_matching_policy')) return before;
    await lockTags(client, [`${push.image}:${push.tag}`]);
    const results = await takeIn();
    const stored = results.map((result) => ({
      registry: push.registry,
      repository: push.repository,
      tag: push.tag,
      ...result,
    }));
    await keepResults(
      client,
      repairSource,
      deliveries.map(({ id }) => ({ deliveryId: id, results: stored })),
      null,
    );
    return results;

    async function takeIn(): Promise<Accepted[]> {
      if (remedy.do === 'leave') return [nothing('ignored', remedy.why, null)];
      if (remedy.do === 'hold') {
        const { image, tag } = push;
        await placeHold(client, { image, tag, revision: revision.revision, reason: remedy.reason });
        return [nothing('held', `${remedy.why}: ${remedy.reason}`, null)];
      }
      const delivery = deliveries[0] === undefined ? null : { id: deliveries[0].id, source: repairSource };
      const { trigger, actor, force } = lost;
      return acceptPush(client, push, revision, { trigger, actor, force, delivery });
    }
  });
}
