import { createHash } from 'node:crypto';
import type { Dispatcher } from './dispatcher';
import type { Logger } from '../log';
import type { Pool } from 'pg';
import { acceptDelivery, SourceChanged, type KeyedItem } from '../intake/accept';
import type { Accepted } from '../intake/accept-push';
import type { KeptRequest } from '../db/deliveries';
import { HttpProblem, invalidInput } from './problem';
import { takesContentType, type Delivery } from './registries/kind';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './registries/push';
import type { Answer } from './route';
import type { SourceStore, StoredSource } from './source-store';
import { OutsideUnavailable, type Outside } from './verification/outside';
import { ignoredAnswer, webhookAnswer } from './webhook-answer';

export interface Intake {
  pool: Pool;
  log: Logger;
  sources: SourceStore;
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
  { pool, log, outside, dispatcher }: Intake,
  stored: StoredSource,
  delivery: Delivery,
  keep: (secrets: readonly string[]) => KeptRequest,
): Promise<Answer> {
  const { kind, source } = stored;
  if (delivery.raw.length > kind.limitBytes)
    throw new HttpProblem(
      413,
      'body-too-large',
      `the body is larger than the ${kind.limitBytes} bytes this source takes`,
    );
  const isDelivery = delivery.method === 'POST' || delivery.method === 'PUT';
  if (isDelivery) {
    await requireProof(stored, delivery, outside);
    if (!takesContentType(kind, delivery.contentType)) throw wrongType(stored);
  }
  const handshake = await kind.handshake?.(delivery, source, outside);
  if (handshake != null) return handshake;
  if (!isDelivery) throw methodNotTaken(stored, delivery.method);

  const { items, skipped } = readDelivery(stored, delivery);
  if (items.length === 0) return lastWord(stored, delivery, ignoredAnswer(skipped));
  const keyed = withKeys(items, delivery.raw);
  const accepted = await acceptDelivery(pool, {
    source: source.name,
    kind: kind.name,
    version: stored.version,
    repeatWindowSeconds: kind.repeatWindowSeconds,
    debounceSeconds: stored.debounceSeconds,
    items: keyed,
    request: () => keep(source.secrets),
  });
  dispatcher.wake();
  const answer = acceptedAnswer(stored, keyed, accepted);
  log.info(
    { source: source.name, results: (answer.body as { results: unknown[] }).results.slice(0, 20) },
    'webhook accepted',
  );
  return lastWord(stored, delivery, answer);
}

function acceptedAnswer({ kind }: StoredSource, keyed: readonly KeyedItem[], accepted: Accepted[][]): Answer {
  const answer = webhookAnswer(keyed, accepted);
  return answer.status === 403 ? { ...answer, status: kind.answers.notApproved } : answer;
}

function lastWord({ kind, source }: StoredSource, delivery: Delivery, answer: Answer): Answer {
  return kind.answer?.(answer, delivery, source) ?? answer;
}

/** @throws HttpProblem 401, the same for every way of being wrong; only the log tells what is expected. */
async function requireProof(stored: StoredSource, delivery: Delivery, outside: Outside): Promise<void> {
  const { kind, source, allowUnsigned, secretsAre } = stored;
  if (source.secrets.length === 0 && allowUnsigned) return;
  if (source.secrets.length === 0 && kind.proof === 'secret')
    throw refusal(
      source.name,
      `there is no secret, so nothing is let in: set ${secretsAre}, then send ${kind.proofInWords}`,
    );
  try {
    const result = await kind.verify(delivery, source, outside);
    if (!result.verified) throw refusal(source.name, `${result.why}. Expected is ${secretsAre}`);
  } catch (error) {
    if (!(error instanceof OutsideUnavailable)) throw error;
    throw new HttpProblem(503, 'keys-unavailable', 'the keys that prove this delivery cannot be had now: try again', {
      headers: { 'retry-after': '30' },
    });
  }
}

/**
 * @returns what the delivery says; of one that cannot be read, where its sender would repeat it for days, the reason.
 * @throws HttpProblem 422 naming the field.
 */
export function readDelivery({ kind, source }: StoredSource, delivery: Delivery): ParsedDelivery {
  try {
    return kind.read(delivery, source);
  } catch (error) {
    if (!(error instanceof UnreadableDelivery)) throw error;
    if (kind.answers.unreadable === 'refuse') throw invalidInput([{ path: error.path, message: error.message }]);
    const reason = `cannot be read: ${error.path === '' ? '' : `${error.path}: `}${error.message}`;
    return { skipped: [], items: [unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason })] };
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

function refusal(source: string, why: string): HttpProblem {
  return new HttpProblem(401, 'webhook-not-authenticated', 'the delivery is not authenticated', {
    headers: { 'www-authenticate': 'Bearer realm="webhooks"' },
    forTheLog: `a delivery of source ${source} was refused: ${why}`,
  });
}

export function noSource(name: string): HttpProblem {
  const message = `there is no source ${name.slice(0, 100)}: deliveries are taken at /api/v1/webhooks/docker-registry`;
  return new HttpProblem(404, 'unknown-webhook-source', message);
}

function wrongType({ kind }: StoredSource): HttpProblem {
  const types = kind.contentTypes.filter((type) => type !== '').join(', ');
  return new HttpProblem(415, 'unsupported-media-type', `content-type must be one of ${types}`);
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
