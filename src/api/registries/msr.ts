import { z } from 'zod';
import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { givenText, hintText } from './given-text';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { unusablePush, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { storable } from './storable';
import { usablePush } from './usable-push';

const AnyEvent = z.object({ type: z.string().min(1) });
const TagPush = z.object({
  createdAt: hintText,
  contents: z.object({
    namespace: z.string().min(1),
    repository: z.string().min(1),
    tag: givenText,
    digest: givenText,
    imageName: givenText,
    pushedAt: hintText,
  }),
});
type Contents = z.output<typeof TagPush>['contents'];

/**
 * One event a delivery, of which the push of a tag counts. MANIFEST_PUSH has no tag. Whether PROMOTION and POLL_MIRRORING,
 * whose contents are not documented, come beside the TAG_PUSH of the tag that they make was not verified.
 * @throws UnreadableDelivery naming the field.
 */
function parseMsr(body: unknown, place: Pick<Source, 'registryHost' | 'repositories'>): ParsedDelivery {
  const { type } = readBody(AnyEvent, body);
  if (type !== 'TAG_PUSH') return { items: [], skipped: [storable(type)] };
  const { createdAt, contents } = readBody(TagPush, body);
  const { tag, digest } = contents;
  if (tag === null) return { items: [], skipped: ['push without a tag'] };
  const imageName = `${contents.namespace}/${contents.repository}`;
  const announced = { imageName, tag, digest, eventId: null };
  const found = pullReference(place, {
    host: hostOf(contents),
    hostField: 'contents.imageName',
    repository: imageName,
  });
  if ('reason' in found) return { items: [unusablePush({ ...announced, reason: found.reason })], skipped: [] };
  // The event's own time: it orders events also where a tag moves to what was pushed long ago.
  const pushedAt = readTime(createdAt) ?? readTime(contents.pushedAt);
  return { items: [usablePush({ ...announced, reference: found.reference, pushedAt })], skipped: [] };
}

/**
 * What stands before the repository in `imageName` (`10.10.10.1/foo/bar:tag`). Test events leave it empty, and a name without
 * a host must not give its namespace for one.
 */
function hostOf({ namespace, repository, imageName }: Contents): string {
  const whole = imageName ?? '';
  const slash = whole.indexOf('/');
  const path = `/${namespace}/${repository}`;
  const rest = whole.slice(slash);
  const isOfIt = rest === path || rest.startsWith(`${path}:`) || rest.startsWith(`${path}@`);
  return slash > 0 && isOfIt ? whole.slice(0, slash) : '';
}

/** Docker Trusted Registry and what followed it. Mirantis Secure Registry 4 is built on Harbor and sends as Harbor does. */
export const msr: RegistryKind = {
  name: 'msr',
  title: 'Mirantis Secure Registry 2 and 3 (Docker Trusted Registry)',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret in the URL as ?secret=<secret> or as its password (https://any:<secret>@...), since the registry can send no header; or as "Authorization: Bearer <secret>"',
  options: z.strictObject({}),
  // How often it repeats is not documented; a subscription becomes inactive, so what is understood is not refused.
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 202 },
  // `createdAt` tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const check = checkToken(delivery, secrets, [secretInUrl, basic, bearer]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseMsr(readJson(delivery.raw), source),
};
