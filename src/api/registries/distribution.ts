import { z } from 'zod';
import { readBody } from './read-body';
import { unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { usablePush } from './usable-push';

/** 2.x and 3.x call the same envelope by two names. */
export const distributionContentTypes = [
  'application/vnd.docker.distribution.events.v1+json',
  'application/vnd.docker.distribution.events.v2+json',
];

/** Layers and configurations are pushes too; only these are something a device can be told to run. */
const MANIFEST_TYPES = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
]);

const text = z.string().nullish().catch(null);
/** Nothing is required of an event but to be an object: one that is odd must not hold back its neighbours. */
const Event = z.object({
  id: text,
  timestamp: text,
  action: text,
  target: z.object({ mediaType: text, digest: text, repository: text, tag: text }).nullish().catch(null),
  request: z.object({ host: text }).nullish().catch(null),
});
const Envelope = z.object({ events: z.array(Event) });

/**
 * The CNCF Distribution envelope (also GitLab's registry). Of the twenty events of one docker push, one names a tag.
 * @throws UnreadableDelivery when there is no list of events at all.
 */
export function parseDistribution(body: unknown): ParsedDelivery {
  const parsed: ParsedDelivery = { items: [], skipped: [] };
  for (const event of readBody(Envelope, body).events) {
    const item = readEvent(event);
    if (typeof item === 'string') parsed.skipped.push(item);
    else parsed.items.push(item);
  }
  return parsed;
}

/** The push, or what the event was about instead. */
function readEvent(event: z.infer<typeof Event>): DeliveryItem | string {
  const { target } = event;
  if (event.action !== 'push') return event.action ?? 'event without an action';
  if (target == null) return 'push without a target';
  if (target.mediaType == null || !MANIFEST_TYPES.has(target.mediaType)) return 'push of a blob';
  // Each platform's manifest of a multi-arch image is pushed by digest; the index that names them carries the tag.
  if (target.tag == null || target.tag === '') return 'push of an untagged manifest';
  const imageName = target.repository ?? '';
  const host = event.request?.host ?? '';
  const eventId = event.id == null || event.id === '' ? null : event.id;
  const digest = target.digest == null || target.digest === '' ? null : target.digest;
  const announced = { imageName, tag: target.tag, digest, eventId };
  if (!isHost(host)) {
    return unusablePush({
      ...announced,
      reason: 'the event does not say a host that can be pulled from (request.host)',
    });
  }
  return usablePush({ ...announced, reference: `${host}/${imageName}`, pushedAt: readTime(event.timestamp) });
}

/**
 * Without a dot, a port or a capital a first part is read as a namespace on Docker Hub (`registry/app`): an internal short
 * name would then start a rollout of somebody else's image.
 */
function isHost(host: string): boolean {
  return host === 'localhost' || (/[.:A-Z]/.test(host) && !host.includes('/'));
}

function readTime(timestamp: string | null | undefined): string | null {
  const time = timestamp == null ? Number.NaN : Date.parse(timestamp);
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}
