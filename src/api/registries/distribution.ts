import { z } from 'zod';
import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { eventIdentity } from './event-identity';
import { MEBIBYTE, type RegistryKind, type Source } from './kind';
import { pushedInstead } from './media-types';
import { pullReference } from './pull-place';
import { unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

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
const Event = z
  .object({
    id: text,
    timestamp: text,
    action: text,
    target: z
      .object({
        ...{ mediaType: text, digest: text, repository: text, tag: text, artifactType: text },
        // Of an image its configuration and layers; sent where `includereferences` is set.
        references: z
          .array(z.object({ mediaType: text }).nullish().catch(null))
          .nullish()
          .catch(null),
      })
      .nullish()
      .catch(null),
    request: z.object({ host: text }).nullish().catch(null),
  })
  .nullable()
  .catch(null);
const Envelope = z.object({ events: z.array(Event) });
const OTHER_ACTIONS = new Set(['pull', 'mount', 'delete']);

/**
 * The CNCF Distribution envelope (also GitLab's registry). Of the twenty events of one docker push, one names a tag.
 * @throws UnreadableDelivery when there is no list of events at all.
 */
export function parseDistribution(body: unknown, place: Place): ParsedDelivery {
  const parsed: ParsedDelivery = { items: [], skipped: [] };
  for (const event of readBody(Envelope, body).events) {
    const item = readEvent(event, place);
    if (typeof item === 'string') parsed.skipped.push(item);
    else parsed.items.push(item);
  }
  return parsed;
}

/** The push, or what the event was about instead. */
function readEvent(event: z.infer<typeof Event>, place: Place): DeliveryItem | string {
  if (event === null) return 'event that is no object';
  const { action, target } = event;
  if (action !== 'push') return action != null && OTHER_ACTIONS.has(action) ? action : 'event of an unknown action';
  if (target == null) return 'push without a target';
  if (target.mediaType == null || !MANIFEST_TYPES.has(target.mediaType)) return 'push of a blob';
  // Each platform's manifest of a multi-arch image is pushed by digest; the index that names them carries the tag.
  if (target.tag == null || target.tag === '') return 'push of an untagged manifest';
  const configurations = (target.references ?? [])
    .map((one) => one?.mediaType)
    .filter((type) => type?.includes('.config.'));
  const instead = pushedInstead(target.artifactType, ...configurations);
  if (instead !== null) return instead;
  const imageName = target.repository ?? '';
  const eventId = eventIdentity(event.id);
  const digest = target.digest == null || target.digest === '' ? null : target.digest;
  const announced = { imageName, tag: target.tag, digest, eventId };
  const found = pullReference(place, {
    host: event.request?.host ?? '',
    hostField: 'request.host',
    repository: imageName,
  });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  return usablePush({ ...announced, reference: found.reference, pushedAt: readTime(event.timestamp) });
}

/** A CNCF Distribution registry (`registry:2`, `registry:3`), GitLab's among them: `notifications.endpoints` of its configuration. */
export const distribution: RegistryKind = {
  name: 'distribution',
  title: 'CNCF Distribution (registry:2, registry:3)',
  contentTypes: [...distributionContentTypes, 'application/json', ''],
  // A push of an image with all its layers is some twenty events of one kilobyte.
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret in the Authorization header of the endpoint\'s `headers` (the whole value, as "Bearer <secret>", or as Basic\'s password), or in the URL as ?secret=<secret>',
  options: z.strictObject({}),
  // It repeats what is refused without end, and holds back every later event.
  answers: { deadlineMs: 1000, unreadable: 'record', notApproved: 202 },
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const places = [bearer, basic, { in: 'header' as const, name: 'authorization' }, secretInUrl];
    const check = checkToken(delivery, secrets, places);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseDistribution(readJson(delivery.raw), source),
};
