import { z } from 'zod';
import { isValidDigest } from '../../domain/image-reference';
import { eventIdentity } from './event-identity';
import { givenText, hintText } from './given-text';
import type { Delivery, Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { parseJson, readBody, readJson, readText } from './read-body';
import { readTime } from './read-time';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

/** Both spellings are sent: https://cloud.google.com/pubsub/docs/push#receive_push */
const Envelope = z.object({
  message: z.object({
    data: z.string(),
    messageId: hintText,
    message_id: hintText,
    publishTime: hintText,
    publish_time: hintText,
  }),
});
/** https://cloud.google.com/artifact-registry/docs/configure-notifications: `tag` and `digest` are whole references. */
const Change = z.object({ action: z.string(), tag: givenText, digest: givenText });

/** One message of the topic, and what is known of it. */
interface Message {
  change: z.output<typeof Change>;
  id: string | null;
  publishedAt: string | null;
}

/** A change of Artifact Registry (or gcr.io) as Pub/Sub pushes it. @throws UnreadableDelivery naming the field. */
export function parseGar(delivery: Delivery, place: Place): ParsedDelivery {
  const read = readChange(messageOf(delivery), place);
  return typeof read === 'string' ? { items: [], skipped: [read] } : { items: [read], skipped: [] };
}

function messageOf(delivery: Delivery): Message {
  const body = readJson(delivery.raw);
  // A subscription with `--push-no-wrapper` sends the data alone, and the rest in headers or (without its option) not at all.
  if (typeof body === 'object' && body !== null && !Array.isArray(body) && !Object.hasOwn(body, 'message'))
    return {
      change: readBody(Change, body),
      id: delivery.header('x-goog-pubsub-message-id'),
      publishedAt: delivery.header('x-goog-pubsub-publish-time'),
    };
  const { message } = readBody(Envelope, body);
  return {
    change: readBody(Change, parseJson(decode(message.data), 'message.data'), 'message.data'),
    id: message.messageId ?? message.message_id,
    publishedAt: message.publishTime ?? message.publish_time,
  };
}

function decode(data: string): string {
  // `Buffer.from` skips what is no base64, which would make another text of it.
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(data)) throw new UnreadableDelivery('message.data', 'is not base64');
  return readText(Buffer.from(data, 'base64'));
}

/** The push, or what the message was about instead. */
function readChange({ change, id, publishedAt }: Message, place: Place): DeliveryItem | string {
  if (change.action !== 'INSERT') return change.action === 'DELETE' ? change.action : 'event of an unknown action';
  // Each platform's manifest of a multi-arch image is a message without a tag.
  if (change.tag === null) return 'push of an untagged manifest';
  const { name, tag } = splitTag(change.tag);
  const digest = digestOf(change.digest, name);
  const announced = { imageName: name, tag, digest: digest ?? null, eventId: eventIdentity(id) };
  if (digest === undefined)
    return unusablePush({ ...announced, digest: change.digest, reason: 'tag and digest name two images' });
  const host = name.slice(0, Math.max(name.indexOf('/'), 0));
  const found = pullReference(place, {
    host: isGoogleHost(host) ? host : '',
    hostField: 'tag',
    within: host,
    repository: name.slice(name.indexOf('/') + 1),
  });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  return usablePush({ ...announced, reference: found.reference, pushedAt: readTime(publishedAt) });
}

function splitTag(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  if (colon <= reference.lastIndexOf('/')) return { name: reference, tag: '' };
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

/** Null where there is none; undefined where it is another image's. */
function digestOf(reference: string | null, name: string): string | null | undefined {
  if (reference === null) return null;
  if (isValidDigest(reference)) return reference;
  const at = reference.indexOf('@');
  return at >= 0 && reference.slice(0, at) === name ? reference.slice(at + 1) : undefined;
}

/** Whoever may publish to the topic could name any host. A port or a capital is none of Google's either. */
function isGoogleHost(host: string): boolean {
  return /^(?:[a-z0-9-]+\.)+pkg\.dev$|^(?:[a-z0-9-]+\.)?gcr\.io$/.test(host);
}
