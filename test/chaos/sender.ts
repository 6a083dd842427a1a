import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Place } from './place';
import type { PlannedPush } from './plan';

const ANSWER = z.object({ outcome: z.string(), rollout_id: z.string().nullable() });

export interface PushLog {
  push: PlannedPush;
  /** What each delivery that was taken was answered, in order. */
  answers: { status: number; outcome: string; rolloutId: string | null }[];
  /** How often each other status was answered; 0 for no answer. */
  refusals: Map<number, number>;
}

const RETRY_MS = 1000;
const ANSWER_LIMIT_MS = 10_000;

/** Delivers a push as registries do: again and again until it is taken; and some of them once more after that. */
export async function deliverPush(place: Place, image: string, push: PlannedPush): Promise<PushLog> {
  const log: PushLog = { push, answers: [], refusals: new Map() };
  await sleep(push.atMs, undefined, { signal: place.signal });
  const body = envelope(image, push, Date.now());
  await untilTaken(place, body, log);
  if (push.againAfterMs !== null) {
    await sleep(push.againAfterMs, undefined, { signal: place.signal });
    await untilTaken(place, body, log);
  }
  return log;
}

async function untilTaken(place: Place, body: string, log: PushLog): Promise<void> {
  for (;;) {
    place.signal.throwIfAborted();
    try {
      const response = await fetch(`${place.frontUrl}/api/v1/webhooks/docker-registry`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      const text = await response.text();
      if (response.ok) {
        const { outcome, rollout_id: rolloutId } = ANSWER.parse(JSON.parse(text));
        log.answers.push({ status: response.status, outcome, rolloutId });
        return;
      }
      log.refusals.set(response.status, (log.refusals.get(response.status) ?? 0) + 1);
    } catch {
      log.refusals.set(0, (log.refusals.get(0) ?? 0) + 1);
    }
    await sleep(RETRY_MS, undefined, { signal: place.signal });
  }
}

/** The event of a Distribution registry. */
function envelope(image: string, { tag, digest, event }: PlannedPush, atMs: number): string {
  const [host, ...repository] = image.split('/');
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const target = { mediaType, digest, repository: repository.join('/'), tag };
  const timestamp = new Date(atMs).toISOString();
  return JSON.stringify({ events: [{ id: event, timestamp, action: 'push', target, request: { host } }] });
}
