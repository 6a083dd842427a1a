import { z } from 'zod';
import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { givenText } from './given-text';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readList } from './read-list';
import { usablePush } from './usable-push';

const AnyEvent = z.object({ updated_tags: z.unknown().optional() });
const PushEvent = z.object({ repository: givenText, namespace: givenText, name: givenText, docker_url: givenText });

/**
 * The event alone is sent, without its name: a push is what has `updated_tags`. Builds, scans, mirrors and quotas have none.
 * The Test button sends a push of `latest` and `foo`, which nothing tells from a real one.
 * @throws UnreadableDelivery naming the field.
 */
function parseQuay(body: unknown, place: Pick<Source, 'registryHost' | 'repositories'>): ParsedDelivery {
  const { updated_tags: updated } = readBody(AnyEvent, body);
  if (updated == null) return { items: [], skipped: ['event without updated_tags'] };
  const { entries, odd } = readList(z.string(), tagsIn(updated), 'updated_tags');
  const push = readBody(PushEvent, body);
  const imageName = nameOf(push);
  const found = pullReference(place, {
    host: (push.docker_url ?? '').replace(/^https?:\/\//, '').split('/', 1)[0] ?? '',
    hostField: 'docker_url',
    repository: imageName,
  });
  const items = [...new Set(entries)]
    .filter((tag) => tag !== '')
    .map((tag) => {
      const announced = { imageName, tag, digest: null, eventId: null };
      if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
      return usablePush({ ...announced, reference: found.reference, pushedAt: null });
    });
  return { items, skipped: items.length > 0 ? [] : [odd > 0 ? 'tag that cannot be read' : 'push without a tag'] };
}

/** A list; the first releases of Quay sent an object, of image ids by tag. */
function tagsIn(updated: unknown): unknown[] {
  if (Array.isArray(updated)) return updated;
  if (typeof updated === 'object' && updated !== null) return Object.keys(updated);
  throw new UnreadableDelivery('updated_tags', 'must be a list of tags');
}

function nameOf({ repository, namespace, name }: z.output<typeof PushEvent>): string {
  if (repository !== null) return repository;
  if (namespace === null || name === null)
    throw new UnreadableDelivery('repository', 'neither repository nor namespace and name are given');
  return `${namespace}/${name}`;
}

/** A repository notification "Push to Repository" by the method "Webhook POST", of quay.io or of a Red Hat Quay. */
export const quay: RegistryKind = {
  name: 'quay',
  title: 'Quay.io and Red Hat Quay',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret in the URL as ?secret=<secret> or as its password (https://any:<secret>@...), since Quay can send no header; or as "Authorization: Bearer <secret>"',
  options: z.strictObject({}),
  // What is refused comes five times, 30 seconds apart, and after three failures Quay turns the notification off.
  answers: { deadlineMs: 10_000, unreadable: 'refuse', notApproved: 202 },
  // Neither id nor time nor digest: a try after a lost answer comes 30 to 40 seconds later, and then the same body is a new push.
  repeatWindowSeconds: 60,
  verify(delivery, { secrets }) {
    const check = checkToken(delivery, secrets, [secretInUrl, basic, bearer]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseQuay(readJson(delivery.raw), source),
};
