import { z } from 'zod';
import { hasDelivered, listDeliveries, readDelivery, type DeliveryRow } from '../db/webhook-deliveries';
import type { KeptRequest } from '../db/deliveries';
import { readWebhookSource } from '../db/webhook-sources';
import { acceptDelivery, reconcileSource } from '../intake/accept';
import { repairSource } from '../intake/accept-lost';
import { outcomes } from '../intake/accept-push';
import { page } from './cursor';
import { deliveryFromRecord } from './delivery-record';
import type { ApiDeps } from './deps';
import { cursorOf, idParams, Limit, text, TimeAndId } from './fields';
import { HttpProblem, notFound } from './problem';
import { readDelivery as readAgain, withKeys } from './receive-delivery';
import { route, type Answer, type Route } from './route';
import { builtInSource, type SourceStore } from './source-store';
import { ignoredAnswer, webhookAnswer, WebhookAnswer } from './webhook-answer';

const ListQuery = z.strictObject({
  source: text(63).optional(),
  outcome: z.enum(outcomes).optional(),
  limit: Limit,
  cursor: cursorOf(TimeAndId),
});

const ShownDelivery = z.object({
  id: z.string(),
  source: z.string(),
  kind: z.string().nullable(),
  key: z.string().describe('What a repetition is known by: the event id, or a hash of the body.'),
  received_at: z.iso.datetime(),
  last_received_at: z.iso.datetime(),
  times_received: z.number().int(),
  outcome: z.enum(outcomes).nullable(),
  reason: z.string().nullable(),
  results: z.array(z.looseObject({})).describe('One a policy that decided, as it was answered.'),
  body_bytes: z.number().int().nullable().describe('Null once the body is kept no more.'),
});
const WholeDelivery = ShownDelivery.extend({
  method: z.string().nullable(),
  headers: z.record(z.string(), z.string()).nullable().describe('What proved the sender stands as "[redacted]".'),
  query: z.record(z.string(), z.string()).nullable(),
  body: z.string().nullable().describe('Its first 64 KiB.'),
  body_is_whole: z.boolean(),
});

/**
 * What came from registries, and what became of it. Those in which nothing was pushed leave nothing; of the refused, those that
 * proved themselves and could not be read are kept, the others leave a line in the log.
 */
export function webhookDeliveryRoutes(deps: ApiDeps, sources: SourceStore): Route[] {
  const { pool } = deps;
  const tag = 'Webhooks';
  const params = idParams('a delivery');
  return [
    route({
      ...{ method: 'get', path: '/api/v1/webhook-deliveries', tag, access: 'viewer', query: ListQuery },
      summary: 'Deliveries that announced a push, newest first',
      answers: {
        200: {
          description: 'A page of deliveries',
          schema: z.object({ webhook_deliveries: z.array(ShownDelivery), next_cursor: z.string().nullable() }),
        },
        404: { description: 'There is no such source, and never was one that delivered' },
      },
      handle: async ({ query: { source = null, outcome = null, limit, cursor } }) => {
        const rows = await listDeliveries(pool, { source, outcome, limit, before: cursor });
        if (rows.length === 0 && source !== null) await requireKnown(pool, source);
        const { items, next_cursor } = page(rows, limit, shown, (row) => [row.created_key, row.id]);
        return { status: 200, body: { webhook_deliveries: items, next_cursor } };
      },
    }),
    route({
      ...{ method: 'get', path: '/api/v1/webhook-deliveries/:id', tag, access: 'viewer', params },
      summary: 'One delivery, with what came as long as it is kept',
      answers: { 200: { description: 'The delivery', schema: WholeDelivery } },
      handle: async ({ params: { id } }) => {
        const row = await readDelivery(pool, id);
        if (row === null) throw notFound('delivery', id);
        return { status: 200, body: { ...shown(row), ...shownRequest(row.request) } };
      },
    }),
    route({
      ...{ method: 'post', path: '/api/v1/webhook-deliveries/:id/replay', tag, access: 'admin', params },
      summary: 'Take a delivery once more: what started a rollout stays a duplicate, the rest is judged again',
      answers: {
        200: { description: 'Nothing of it can be rolled out', schema: WebhookAnswer },
        202: { description: 'As the webhook', schema: WebhookAnswer },
        403: { description: '`not_approved`: the image waits for approval', schema: WebhookAnswer },
        409: { description: 'Its body is not kept any more, or was too long to be kept; or its source is gone' },
      },
      handle: ({ params: { id } }) => replay(deps, sources, id),
    }),
  ];
}

/** It proved itself when it came; by its key it is the delivery that it was. */
async function replay({ pool, dispatcher, log }: ApiDeps, sources: SourceStore, id: string): Promise<Answer> {
  const row = await readDelivery(pool, id);
  if (row === null) throw notFound('delivery', id);
  const { request } = row;
  if (request === null) throw cannot('its body is kept no more (FLEETWAVE_DELIVERY_BODY_DAYS)');
  if (request.bodyBytes > request.body.length) throw cannot(`its ${request.bodyBytes} bytes were too many to be kept`);
  const stored = await sources.find(row.source);
  if (stored === null) throw cannot(`its source ${row.source} was deleted`);
  if (row.kind !== null && row.kind !== stored.kind.name)
    throw cannot(`its source ${row.source} is of kind ${stored.kind.name} now, and was ${row.kind}`);
  const { items, skipped } = readAgain(stored, deliveryFromRecord(request));
  if (items.length === 0) return ignoredAnswer(skipped);
  const keyed = withKeys(items, request.body);
  const accepted = await acceptDelivery(pool, {
    source: row.source,
    kind: stored.kind.name,
    version: undefined,
    repeatWindowSeconds: stored.kind.repeatWindowSeconds,
    isReplay: true,
    debounceSeconds: 0,
    items: keyed,
    request: () => null,
  });
  dispatcher.wake();
  log.info({ delivery: id, source: row.source }, 'webhook delivery replayed');
  return webhookAnswer(keyed, accepted, 'Delivery replayed');
}

/** @throws HttpProblem 404: an empty page would say that the source is there and that nothing came. */
async function requireKnown(pool: ApiDeps['pool'], source: string): Promise<void> {
  if (source === builtInSource || source === reconcileSource || source === repairSource) return;
  if ((await readWebhookSource(pool, source)) !== null || (await hasDelivered(pool, source))) return;
  throw notFound('webhook source', source);
}

function cannot(why: string): HttpProblem {
  return new HttpProblem(409, 'delivery-not-replayable', `this delivery cannot be replayed: ${why}`);
}

function shown(row: DeliveryRow): z.infer<typeof ShownDelivery> {
  const first = row.results.find((one) => one.rollout_id !== null) ?? row.results[0];
  return {
    id: row.id,
    source: row.source,
    kind: row.kind,
    key: row.delivery_key,
    received_at: row.received_at.toISOString(),
    last_received_at: row.last_received_at.toISOString(),
    times_received: row.times_received,
    outcome: (first?.outcome ?? null) as z.infer<typeof ShownDelivery>['outcome'],
    reason: first?.detail ?? null,
    results: row.results,
    body_bytes: row.body_bytes,
  };
}

function shownRequest(
  request: KeptRequest | null,
): Pick<z.infer<typeof WholeDelivery>, 'method' | 'headers' | 'query' | 'body' | 'body_is_whole'> {
  if (request === null) return { method: null, headers: null, query: null, body: null, body_is_whole: false };
  const { method, headers, query, body, bodyBytes } = request;
  return { method, headers, query, body: body.toString('utf8'), body_is_whole: body.length === bodyBytes };
}
