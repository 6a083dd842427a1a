import { createHash } from 'node:crypto';
import type { Dispatcher } from './dispatcher';
import type { Logger } from '../log';
import type { Pool } from 'pg';
import { acceptDelivery, SourceChanged, type KeyedItem } from '../intake/accept';
import { starts, type Accepted } from '../intake/accept-push';
import type { KeptRequest } from '../db/deliveries';
import { HttpProblem, invalidInput } from './problem';
import { takesContentType, type Delivery } from './registries/kind';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './registries/push';
import { requireProof } from './require-proof';
import type { Answer } from './route';
import type { SourceContacts } from './source-contacts';
import { isSourceName, type SourceStore, type StoredSource } from './source-store';
import type { Outside } from './verification/outside';
import { tooLarge } from './webhook-refusals';
import { ignoredAnswer, webhookAnswer } from './webhook-answer';

export interface Intake {
  pool: Pool;
  log: Logger;
  sources: SourceStore;
  contacts: SourceContacts;
  outside: Outside;
  dispatcher: Pick<Dispatcher, 'wake'>;
}

/**
 * A delivery from a source, from its proof to its answer. What was checked by a source that has changed meanwhile, perhaps
 * through another process, is checked once more by the source as it is now.
 * @throws HttpProblem 401, 405, 413, 415, 422, 503
 */
export async function receiveDelivery(
  intake: Intake,
  stored: StoredSource,
  delivery: Delivery,
  keep: (secrets: readonly string[]) => KeptRequest,
): Promise<Answer> {
  const { name } = stored.source;
  try {
    return await receiveAs(intake, stored, delivery, keep);
  } catch (error) {
    if (error instanceof SourceChanged) intake.sources.forget(name);
    else if (!isRefusal(error) || !(await intake.sources.hasChanged(name, stored))) throw error;
  }
  const now = await intake.sources.find(name);
  if (now === null) throw noSource(name);
  try {
    return await receiveAs(intake, now, delivery, keep);
  } catch (error) {
    if (!(error instanceof SourceChanged)) throw error;
    intake.sources.forget(name);
    throw new HttpProblem(503, 'source-changing', 'the source is being changed: send it again', {
      headers: { 'retry-after': '1' },
    });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof HttpProblem && error.status === 401;
}

async function receiveAs(
  intake: Intake,
  stored: StoredSource,
  delivery: Delivery,
  keep: (secrets: readonly string[]) => KeptRequest,
): Promise<Answer> {
  const { pool, log, outside, dispatcher, contacts } = intake;
  const { kind, source } = stored;
  if (delivery.raw.length > kind.limitBytes) throw tooLarge(kind.limitBytes);
  const isDelivery = delivery.method === 'POST' || delivery.method === 'PUT';
  const isProven = isDelivery && (await requireProof(stored, delivery, outside));
  if (isDelivery && !takesContentType(kind, delivery.contentType)) throw wrongType(stored, delivery.contentType);
  const handshake = await kind.handshake?.(delivery, source, outside);
  if (handshake != null) return handshake;
  if (!isDelivery) throw methodNotTaken(stored, delivery.method);

  const store = (keyed: KeyedItem[]): Promise<Accepted[][]> =>
    acceptDelivery(pool, {
      source: source.name,
      kind: kind.name,
      version: stored.version,
      repeatWindowSeconds: kind.repeatWindowSeconds,
      debounceSeconds: stored.debounceSeconds,
      items: keyed,
      request: () => keep(source.secrets),
    });
  const { items, skipped, unreadable, refusal } = readOrRefuse(stored, delivery);
  if (refusal !== undefined) {
    // Its sender is known by its proof; without one, anybody could fill the table.
    if (isProven && contacts.mayKeep(source.name)) await store(withKeys(items, delivery.raw));
    throw refusal;
  }
  if (items.length === 0) {
    const answer = ignoredAnswer(skipped);
    contacts.accepted(source.name, kind.name, answer);
    return lastWord(stored, delivery, answer);
  }
  const keyed = withKeys(items, delivery.raw);
  const accepted = await store(keyed);
  if (accepted.flat().some(starts)) dispatcher.wake();
  const answer = acceptedAnswer(stored, keyed, accepted);
  contacts.accepted(source.name, kind.name, answer);
  const results = (answer.body as { results: unknown[] }).results.slice(0, 20);
  if (unreadable === undefined) log.info({ source: source.name, results }, 'webhook accepted');
  else log.warn({ source: source.name, results }, `webhook recorded, but it cannot be read: ${unreadable}`);
  return lastWord(stored, delivery, answer);
}

function acceptedAnswer({ kind }: StoredSource, keyed: readonly KeyedItem[], accepted: Accepted[][]): Answer {
  const answer = webhookAnswer(keyed, accepted);
  return answer.status === 403 ? { ...answer, status: kind.answers.notApproved } : answer;
}

function lastWord({ kind, source }: StoredSource, delivery: Delivery, answer: Answer): Answer {
  return kind.answer?.(answer, delivery, source) ?? answer;
}

/** @throws HttpProblem 422 naming the field. */
export function readDelivery(stored: StoredSource, delivery: Delivery): ParsedDelivery {
  const { refusal, ...parsed } = readOrRefuse(stored, delivery);
  if (refusal !== undefined) throw refusal;
  return parsed;
}

/**
 * What the delivery says; of one that cannot be read, an item with the reason. `refusal` is its answer, unless its sender would
 * repeat it for days.
 */
function readOrRefuse({ kind, source }: StoredSource, delivery: Delivery): ParsedDelivery & { refusal?: HttpProblem } {
  try {
    return kind.read(delivery, source);
  } catch (error) {
    if (!(error instanceof UnreadableDelivery)) throw error;
    const isRefused = kind.answers.unreadable === 'refuse';
    const why = `${error.path === '' ? '' : `${error.path}: `}${error.message}`;
    const about = { imageName: '', tag: null, digest: null, eventId: null };
    return {
      items: [unusablePush({ ...about, reason: `cannot be read: ${why}`, isRefused })],
      skipped: [],
      unreadable: why,
      ...(isRefused ? { refusal: invalidInput([{ path: error.path, message: error.message }]) } : {}),
    };
  }
}

/**
 * An event of its own id is known again in whatever envelope it comes; what further pushes it tells of are known by the id and
 * by what they are about. Without an id the body's bytes are all there is to know a repetition by.
 */
export function withKeys(items: readonly DeliveryItem[], raw: Buffer): KeyedItem[] {
  const hash = createHash('sha256').update(raw).digest('hex');
  const firstOf = new Map<string, string>();
  return items.map((item, index) => {
    const { eventId, imageName, tag, digest } = item.kind === 'push' ? item.push : item.unusable;
    if (eventId === null) return { item, key: `body:${hash}:${String(index)}` };
    const about = createHash('sha256')
      .update(JSON.stringify([imageName, tag, digest]))
      .digest('hex');
    const first = firstOf.get(eventId) ?? about;
    firstOf.set(eventId, first);
    return { item, key: about === first ? `event:${eventId}` : `event:${eventId}:${about}` };
  });
}

export function noSource(name: string): HttpProblem {
  const remedy = isSourceName(name)
    ? `an admin makes it with PUT /api/v1/webhook-sources/${name}`
    : 'a name is small letters, digits and "-", at most 63';
  const message = `there is no source ${name.slice(0, 100)}: ${remedy}`;
  return new HttpProblem(404, 'unknown-webhook-source', message);
}

function wrongType({ kind }: StoredSource, sent: string): HttpProblem {
  const types = kind.contentTypes.filter((type) => type !== '').join(', ');
  const message = `content-type must be one of ${types}`;
  const forTheLog = `${message}, and not ${sent === '' ? 'absent' : sent.slice(0, 100)}`;
  return new HttpProblem(415, 'unsupported-media-type', message, { forTheLog });
}

function methodNotTaken({ kind }: StoredSource, method: string): HttpProblem {
  const allow = ['POST', ...kind.methods].join(', ');
  return new HttpProblem(405, 'method-not-allowed', `${method} is not possible here, only ${allow}`, {
    headers: { allow },
  });
}

/** @throws HttpProblem 405 for a method that no delivery and no question of this kind has. */
export function requireMethod(stored: StoredSource, method: Delivery['method']): void {
  if (method !== 'POST' && !stored.kind.methods.includes(method)) throw methodNotTaken(stored, method);
}
