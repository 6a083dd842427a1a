import { z } from 'zod';
import { isSigned } from '../verification/hmac';
import { eventIdentity } from './event-identity';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { unusablePush, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { storable } from './storable';
import { usablePush } from './usable-push';

const COMPONENT = 'rm:repository:component';

const Head = z.object({ action: z.string(), component: z.unknown().optional() });
const AnyComponent = z.object({ format: z.string() });
const Component = z.object({
  repositoryName: z.string().min(1),
  timestamp: z.string().nullish().catch(null),
  component: z.object({ name: z.string().min(1), version: z.string().nullish() }),
});

/** Assets are each of an image's files, its layers among them: the component's own event is the one that names the tag. */
function parseNexus(delivery: Delivery, source: Pick<Source, 'registryHost' | 'repositories'>): ParsedDelivery {
  const skipped = (what: string): ParsedDelivery => ({ items: [], skipped: [storable(what)] });
  const body = readJson(delivery.raw);
  const event = delivery.header('x-nexus-webhook-id') ?? COMPONENT;
  if (event !== COMPONENT) return skipped(event);
  const { action, component: any } = readBody(Head, body);
  // UPDATED is taken for a tag that was pushed again; whether Nexus says so of docker images was not verified.
  if (action !== 'CREATED' && action !== 'UPDATED') return skipped(`component ${action}`);
  const { format } = readBody(AnyComponent, any, 'component');
  if (format !== 'docker') return skipped(`component of format ${format}`);

  const { repositoryName, timestamp, component } = readBody(Component, body);
  if (component.version == null || component.version === '') return skipped('push of an untagged manifest');
  const announced = {
    ...{ imageName: component.name, tag: component.version, digest: null },
    eventId: eventIdentity(delivery.header('x-nexus-webhook-delivery')),
  };
  const found = pullReference(source, {
    ...{ host: null, hostField: '' },
    within: repositoryName,
    repository: component.name,
  });
  if ('reason' in found) return { items: [unusablePush({ ...announced, reason: found.reason })], skipped: [] };
  const pushedAt = readTime(timestamp?.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  return { items: [usablePush({ ...announced, reference: found.reference, pushedAt })], skipped: [] };
}

/** Sonatype's webhook capability of a repository. It says neither where it is nor the digest, and never repeats anything. */
export const nexus: RegistryKind = {
  name: 'nexus',
  title: 'Sonatype Nexus Repository 3',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: 'X-Nexus-Webhook-Signature: HMAC-SHA1 over the body in hexadecimal digits, made with the secret',
  options: z.strictObject({}),
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // Of deliveries without the id: the body holds a time.
  repeatWindowSeconds: null,
  // Nexus signs with SHA-1, which HMAC makes no weaker here. SHA-256 is taken too, as a later release may send it: its
  // 64 digits are never taken for 40. That any does was not verified.
  verify(delivery, { secrets }) {
    const signature = delivery.header('x-nexus-webhook-signature');
    const bySha1 = isSigned([signature], delivery.raw, secrets, { algorithm: 'sha1', encoding: 'hex' });
    const bySha256 = isSigned([signature], delivery.raw, secrets, { algorithm: 'sha256', encoding: 'hex' });
    if (bySha1 || bySha256) return { verified: true };
    const fault = signature === null ? 'absent: the capability needs its secret key' : 'not made with the secret';
    return { verified: false, why: `X-Nexus-Webhook-Signature is ${fault}` };
  },
  read: parseNexus,
};
