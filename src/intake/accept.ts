import type { Pool, PoolClient } from 'pg';
import { lockTags } from '../db/accept-push';
import {
  keepResults,
  recordDeliveries,
  type KeptRequest,
  type RecordedDelivery,
  type StoredResult,
} from '../db/deliveries';
import { inTransaction } from '../db/transaction';
import { revisionOf, type Revision } from '../domain/acceptance';
import { acceptPush, duplicate, held, nothing, type Accepted } from './accept-push';
import type { DeliveryItem, Push } from './push';

export interface KeyedItem {
  /** Identifies the push over repeated deliveries of one source. */
  key: string;
  item: DeliveryItem;
}

export interface IncomingDelivery {
  source: string;
  kind: string;
  /** Of the source that checked it; undefined for one that is not to be compared, as of a replay. */
  version: string | null | undefined;
  /** Null: the same key is the same push for ever. */
  repeatWindowSeconds: number | null;
  /** An operator has it taken once more: whenever that is, it is the push that it was, and no new one. */
  isReplay?: true;
  /** For how long further events of the same push are gathered before its rollout is planned. */
  debounceSeconds: number;
  items: readonly KeyedItem[];
  /** Who found it at its registry, where it is no webhook. */
  foundBy?: string;
  /** What to keep of the request, asked for only where the delivery is not a mere repetition. */
  request(): KeptRequest | null;
}

/** The source of the deliveries that looks at registries stand for; no sender may have this name. */
export const reconcileSource = 'reconcile';

/** The source was changed or deleted since it checked the delivery; nothing was written. */
export class SourceChanged extends Error {
  override readonly name = 'SourceChanged';
}

/** A stored result with what it is answered as now. */
interface Kept {
  stored: StoredResult;
  answer: Accepted;
}

/**
 * Accepts what one delivery announced in one transaction: when this returns, it is durable, and nothing of it was written
 * when it throws. A repeated delivery costs one statement between `begin` and `commit`.
 * @throws SourceChanged
 * @returns for each item what it came to, one a policy that decided about it.
 */
export function acceptDelivery(pool: Pool, incoming: IncomingDelivery): Promise<Accepted[][]> {
  return inTransaction(pool, (client) => acceptWithin(client, incoming));
}

/** As part of a transaction of the caller, which must end soon: tags stay locked until then. */
export async function acceptWithin(client: PoolClient, incoming: IncomingDelivery): Promise<Accepted[][]> {
  const { source, kind, version, items } = incoming;
  const deliveries = await recordDeliveries(
    client,
    source,
    items.map((one) => one.key),
    incoming.isReplay === true ? null : incoming.repeatWindowSeconds,
  );
  const found = items.map(({ key, item }) => {
    const delivery = deliveries.get(key);
    if (delivery === undefined) throw new Error('a recorded delivery was not given back');
    if (version !== undefined && delivery.source_version !== version) throw new SourceChanged();
    const kept = stillStanding(delivery, item);
    return { item, delivery, kept, answered: kept.length > 0 && kept.length === delivery.results.length };
  });
  const names = found.flatMap(({ item, answered }) => (item.kind === 'push' && !answered ? [tagName(item.push)] : []));
  if (names.length > 0) await lockTags(client, names);

  const fresh = new Map<string, StoredResult[]>();
  const results: Accepted[][] = [];
  for (const { item, delivery, kept, answered } of found) {
    const judged = answered ? [] : await acceptItem(client, item, incoming, delivery, kept);
    results.push([...kept.map((one) => one.answer), ...judged]);
    // The same key twice in one envelope: the first answer is the one that started something.
    if (answered || fresh.has(delivery.id)) continue;
    fresh.set(delivery.id, [
      ...kept.map((one) => one.stored),
      ...judged.map((result) => ({ ...describeItem(item), ...result })),
    ]);
  }
  if (fresh.size > 0)
    await keepResults(
      client,
      kind,
      [...fresh].map(([deliveryId, kept]) => ({ deliveryId, results: kept })),
      incoming.request(),
    );
  return results;
}

/**
 * Of a delivery that was seen before, the results that stand. One that started nothing is judged again: the operator may have
 * made the policy, lifted the hold, or said where the sender's images are, as its first answer asked for.
 */
function stillStanding({ results, hold }: RecordedDelivery, item: DeliveryItem): Kept[] {
  return results.flatMap((stored) => {
    const { rollout_id: id, strategy, policy_id: policyId = null } = stored;
    if (id === null)
      return stored.outcome === 'ignored' && !(item.kind === 'push' && wasUnusable(stored))
        ? [{ stored, answer: { ...stored, outcome: 'ignored', policy_id: policyId } }]
        : [];
    // It names the rollout that was rolled back, which is not one that it started.
    if (stored.outcome === 'held') return [];
    const rollout = { id, strategy };
    return [{ stored, answer: hold === null ? duplicate(rollout, policyId) : held(hold, rollout, policyId) }];
  });
}

/**
 * What could not be rolled out as it was read then: it has no registry. A push that came late has one, and stays ignored, since
 * what it was later than may not be the newest any more.
 */
function wasUnusable(stored: StoredResult): boolean {
  return 'registry' in stored && stored.registry === null;
}

async function acceptItem(
  client: PoolClient,
  item: DeliveryItem,
  { source, repeatWindowSeconds, debounceSeconds, foundBy }: IncomingDelivery,
  delivery: RecordedDelivery,
  kept: readonly Kept[],
): Promise<Accepted[]> {
  if (item.kind === 'unusable') {
    const { isRefused = false, reason } = item.unusable;
    return [nothing(isRefused ? 'refused' : 'ignored', reason, null)];
  }
  const origin = {
    ...(foundBy === undefined
      ? { trigger: 'webhook' as const, actor: `webhook:${source}` }
      : { trigger: 'reconcile' as const, actor: foundBy }),
    ...{ force: false, debounceSeconds },
    delivery: { id: delivery.id, source },
  };
  const known = revisionOf(item.push);
  const byWindow = known.kind === 'unidentified' && repeatWindowSeconds !== null;
  const revision = byWindow ? revisionByWindow(delivery) : known;
  return acceptPush(client, item.push, revision, origin, policiesOf(kept.map((one) => one.answer)));
}

/**
 * Of a sender that gives neither digest nor id nor time, the window alone tells a new push from a repetition: within it the
 * first answer stands, so what comes to be judged is another push than any before.
 */
function revisionByWindow({ id, times_received: times }: RecordedDelivery): Revision {
  return { revision: `received:${id}:${String(times)}`, kind: 'push' };
}

/** What an operator asks for by hand. */
export interface ManualPush {
  push: Push;
  actor: string;
  force: boolean;
  /** What the same request has come to under some policies already. */
  before?: readonly Accepted[];
}

/**
 * Accepts a push that an operator asked for. Without a digest it means the revision the tag was last seen with. `check` sees
 * what was accepted before it is durable: when it throws, nothing was.
 */
export function acceptManually(
  pool: Pool,
  { push, actor, force, before = [] }: ManualPush,
  check?: (client: PoolClient, accepted: Accepted[]) => Promise<void>,
): Promise<Accepted[]> {
  return inTransaction(pool, async (client) => {
    await lockTags(client, [tagName(push)]);
    const revision = push.digest === null ? null : revisionOf(push);
    const origin = { trigger: 'manual' as const, actor, force, delivery: null };
    const accepted = [...before, ...(await acceptPush(client, push, revision, origin, policiesOf(before)))];
    await check?.(client, accepted);
    return accepted;
  });
}

function policiesOf(accepted: readonly Accepted[]): string[] {
  return accepted.flatMap(({ policy_id: id }) => id ?? []);
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
