import type { Pool, PoolClient } from 'pg';
import { insertRollout, lockTags, readTagFacts, type TagFacts } from '../db/accept-push';
import { keepResults, recordDeliveries, type RecordedDelivery, type StoredResult } from '../db/deliveries';
import { inTransaction } from '../db/transaction';
import { judgePush, revisionOf, type Acceptance } from '../domain/acceptance';
import { rolloutWorkflowId } from '../domain/ids';
import { passApproval } from './approval-gate';
import { choosePolicy } from './choose-policy';
import type { DeliveryItem, Push } from './registries/push';
import type { Origin } from './waiting-push';

export const outcomes = [
  'started',
  'superseding',
  'duplicate',
  'held',
  'no_matching_policy',
  'not_eligible',
  'not_approved',
  'ignored',
  'running',
] as const;
export type Outcome = (typeof outcomes)[number];

export interface Accepted extends StoredResult {
  outcome: Outcome;
  /** One sentence that says why, where the outcome alone does not. */
  detail?: string;
  /** The request that `not_approved` waits for. */
  approval_id?: string;
}

export interface KeyedItem {
  /** Identifies the push over repeated deliveries of one source. */
  key: string;
  item: DeliveryItem;
}

/**
 * Accepts what one delivery announced in one transaction: when this returns, it is durable, and nothing of it was written
 * when it throws. A repeated delivery costs one statement between `begin` and `commit`.
 */
export function acceptDelivery(pool: Pool, source: string, items: readonly KeyedItem[]): Promise<Accepted[]> {
  return inTransaction(pool, async (client) => {
    const deliveries = await recordDeliveries(
      client,
      source,
      items.map((one) => one.key),
    );
    const open = items.filter((one) => answered(deliveries.get(one.key)) === null);
    const names = open.flatMap(({ item }) => (item.kind === 'push' ? [tagName(item.push)] : []));
    if (names.length > 0) await lockTags(client, names);

    const fresh: { deliveryId: string; result: StoredResult & Record<string, unknown> }[] = [];
    const results: Accepted[] = [];
    for (const { key, item } of items) {
      const delivery = deliveries.get(key);
      if (delivery === undefined) throw new Error('a recorded delivery was not given back');
      const before = answered(delivery);
      const result = before ?? (await acceptItem(client, item, source, delivery.id));
      results.push(result);
      if (before === null) fresh.push({ deliveryId: delivery.id, result: { ...describeItem(item), ...result } });
    }
    if (fresh.length > 0) await keepResults(client, fresh);
    return results;
  });
}

/**
 * The answer to a delivery that was seen before. One that started nothing is judged again: the operator may have made the
 * policy, or lifted the hold, that its first answer asked for.
 */
function answered(delivery: RecordedDelivery | undefined): Accepted | null {
  const result = delivery?.result ?? null;
  if (result === null) return null;
  const { rollout_id: id, strategy } = result;
  if (id === null) return result.outcome === 'ignored' ? { ...result, outcome: 'ignored' } : null;
  // It names the rollout that was rolled back, which is not one that it started.
  if (result.outcome === 'held') return null;
  const hold = delivery?.hold ?? null;
  return hold === null ? duplicate({ id, strategy }) : held(hold, { id, strategy });
}

async function acceptItem(
  client: PoolClient,
  item: DeliveryItem,
  source: string,
  deliveryId: string,
): Promise<Accepted> {
  if (item.kind === 'unusable') return nothing('ignored', item.unusable.reason);
  const revision = revisionOf(item.push);
  return acceptPush(client, item.push, revision, {
    trigger: 'webhook',
    actor: `webhook:${source}`,
    force: false,
    delivery: { id: deliveryId, source },
  });
}

/**
 * Accepts a push that an operator asked for. Without a digest it means the revision the tag was last seen with. `check` sees
 * what was accepted before it is durable: when it throws, nothing was.
 */
export function acceptManually(
  pool: Pool,
  push: Push,
  actor: string,
  force: boolean,
  check?: (client: PoolClient, accepted: Accepted) => Promise<void>,
): Promise<Accepted> {
  return inTransaction(pool, async (client) => {
    await lockTags(client, [tagName(push)]);
    const revision = push.digest === null ? null : revisionOf(push);
    const accepted = await acceptPush(client, push, revision, { trigger: 'manual', actor, force, delivery: null });
    await check?.(client, accepted);
    return accepted;
  });
}

/** Call with the tag locked. */
export async function acceptPush(
  client: PoolClient,
  push: Push,
  asked: ReturnType<typeof revisionOf> | null,
  origin: Origin,
): Promise<Accepted> {
  const { image, tag } = push;
  const facts = await readTagFacts(client, image, tag, asked?.revision ?? null);
  const kind = asked?.kind ?? 'push';
  const judged = judgePush({ kind, pushedAt: push.pushedAt, force: origin.force }, facts);
  if (!judged.accept) return refused(judged, facts);

  const policy = await choosePolicy(client, push);
  if (policy.kind !== 'policy') return nothing(policy.kind, policy.detail);
  const digest = push.digest ?? (asked === null ? facts.digest : null);
  if (policy.requiresApprovedImage) {
    const passage = await passApproval(client, {
      ...push,
      digest,
      revision: { revision: facts.revision, kind },
      origin,
    });
    if (!passage.passed) {
      const { approvalId, detail } = passage;
      return { ...nothing('not_approved', detail), ...(approvalId === null ? {} : { approval_id: approvalId }) };
    }
  }
  const rolloutId = await insertRollout(client, {
    image,
    imageName: push.imageName,
    registry: push.registry,
    repository: push.repository,
    tag,
    digest,
    revision: facts.revision,
    attempt: judged.attempt,
    rules: policy.rules,
    selection: policy.selection,
    policyId: policy.id,
    trigger: origin.trigger,
    actor: origin.actor,
    deliveryId: origin.delivery?.id ?? null,
    pushedAt: push.pushedAt,
    workflowId: rolloutWorkflowId(image, tag),
    origin: {
      source: origin.delivery?.source ?? null,
      event_id: push.eventId,
      pushed_at: push.pushedAt,
      digest,
      image_name: push.imageName,
      force: origin.force,
    },
  });
  return {
    outcome: judged.supersedes === null ? 'started' : 'superseding',
    rollout_id: rolloutId,
    strategy: policy.rules.strategy,
  };
}

function refused(judged: Extract<Acceptance, { accept: false }>, { hold, same }: TagFacts): Accepted {
  switch (judged.why) {
    case 'duplicate':
      return duplicate(judged.rollout);
    case 'running':
      return { outcome: 'running', rollout_id: judged.rollout.id, strategy: judged.rollout.strategy };
    case 'held':
      if (hold === null) throw new Error('a push is held back by no hold');
      return held(hold, { id: hold.rolloutId, strategy: same?.strategy ?? null });
    case 'late':
      return nothing(
        'ignored',
        `The tag was pushed again after this push; rollout ${judged.rollout.id} is for the newer one.`,
      );
  }
}

const ANOTHER_ATTEMPT = '{"force": true} on POST /api/v1/images/trigger-update starts another attempt';

function duplicate({ id, strategy }: { id: string; strategy: string | null }): Accepted {
  const detail = `This push already has a rollout, ${id}; nothing new was started. ${ANOTHER_ATTEMPT}.`;
  return { outcome: 'duplicate', rollout_id: id, strategy, detail };
}

function held(hold: { id: string; reason: string }, rollout: { id: string | null; strategy: string | null }): Accepted {
  const detail = `This revision is held back: ${hold.reason}. DELETE /api/v1/holds/${hold.id} lifts the hold: a new push of the tag, or an update triggered by hand, then starts it. ${ANOTHER_ATTEMPT} at once and leaves the hold.`;
  return { outcome: 'held', rollout_id: rollout.id, strategy: rollout.strategy, detail };
}

function nothing(outcome: Outcome, detail: string): Accepted {
  return { outcome, rollout_id: null, strategy: null, detail };
}

function tagName(push: Push): string {
  return `${push.image}:${push.tag}`;
}

/** What a result is about, in the words of the answer. */
export function describeItem(item: DeliveryItem): Record<string, unknown> {
  if (item.kind === 'unusable') {
    const { imageName, tag, digest, eventId } = item.unusable;
    return { registry: null, repository: imageName, tag, digest, event_id: eventId };
  }
  const { registry, repository, tag, digest, eventId } = item.push;
  return { registry, repository, tag, digest, event_id: eventId };
}
