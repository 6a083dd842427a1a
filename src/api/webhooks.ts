import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { z } from 'zod';
import { acceptDelivery, type KeyedItem } from './accept';
import { MIB, rawBody } from './body';
import type { ApiDeps } from './deps';
import { HttpProblem, invalidInput } from './problem';
import { isReadableContentType, parseDockerRegistry, type RawDelivery } from './registries/docker-registry';
import { UnreadableDelivery, type DeliveryItem, type ParsedDelivery } from './registries/push';
import { route, type Answer, type Route } from './route';
import { verifyWebhook } from './verify-webhook';
import { ignoredAnswer, webhookAnswer, WebhookAnswer } from './webhook-answer';

/** A push of an image with all its layers is some twenty events of one kilobyte. */
const LIMIT_BYTES = MIB;
const SOURCE = 'docker-registry';

/** For the documentation: each registry's own parser decides what it takes of it. */
const Delivery = z.looseObject({}).meta({
  description:
    'Docker Hub\'s body (the example), the event envelope of a Distribution registry (`{"events": [...]}`), or a GitHub `package` or `registry_package` event with its `X-GitHub-Event` header.',
  example: { repository: { repo_name: 'redis' }, push_data: { tag: '7.5-alpine', pushed_at: 1767225600 } },
});

/** What registries call. Answered after the accepting transaction, never before; the workflow starts after the answer. */
export function webhookRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/webhooks/docker-registry',
      tag: 'Webhooks',
      summary: 'A push announced by Docker Hub, a Distribution registry or GitHub packages',
      access: 'public',
      body: rawBody({ limitBytes: LIMIT_BYTES, documentedAs: Delivery }),
      answers: {
        200: { description: 'Understood, and nothing was pushed', schema: WebhookAnswer },
        202: {
          description: 'Stored; a rollout starts where an outcome is `started`, `superseding` or `queued`',
          schema: WebhookAnswer,
        },
        401: { description: 'The delivery does not prove that it knows the secret' },
        403: {
          description: '`not_approved` is all there is to say: the images wait for approval',
          schema: WebhookAnswer,
        },
        413: { description: 'Larger than 1 MiB' },
        415: { description: 'A content type or encoding that no registry sends' },
        422: { description: 'The body cannot be read; `errors` names the field' },
        503: { description: 'The database is away: send it again' },
      },
      handle: ({ body, request }) => receive(deps, request, body),
    }),
  ];
}

async function receive({ pool, config, log, dispatcher }: ApiDeps, request: Request, raw: Buffer): Promise<Answer> {
  verifyWebhook(request, raw, config);
  const { items, skipped } = parse({
    raw,
    contentType: contentTypeOf(request),
    header: (name) => request.get(name) ?? null,
  });
  if (items.length === 0) return ignoredAnswer(skipped);
  const keyed = withKeys(items, raw);
  const accepted = await acceptDelivery(pool, SOURCE, keyed);
  dispatcher.wake();
  const answer = webhookAnswer(keyed, accepted);
  log.info(
    { source: SOURCE, results: (answer.body as { results: unknown[] }).results.slice(0, 20) },
    'webhook accepted',
  );
  return answer;
}

function parse(delivery: RawDelivery): ParsedDelivery {
  if (!isReadableContentType(delivery.contentType)) {
    throw new HttpProblem(
      415,
      'unsupported-media-type',
      "content-type must be application/json or the type of a registry's events",
    );
  }
  try {
    return parseDockerRegistry(delivery);
  } catch (error) {
    if (error instanceof UnreadableDelivery) throw invalidInput([{ path: error.path, message: error.message }]);
    throw error;
  }
}

function contentTypeOf(request: Request): string {
  return (request.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/**
 * An event of its own id is known again in whatever envelope it comes. Without one the body's bytes are all there is to
 * know a repetition by.
 */
function withKeys(items: readonly DeliveryItem[], raw: Buffer): KeyedItem[] {
  const hash = createHash('sha256').update(raw).digest('hex');
  return items.map((item, index) => {
    const eventId = item.kind === 'push' ? item.push.eventId : item.unusable.eventId;
    return { item, key: eventId === null ? `body:${hash}:${String(index)}` : `event:${eventId}` };
  });
}
