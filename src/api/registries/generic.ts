import { z } from 'zod';
import { checkStandardWebhook, type StandardWebhookCheck } from '../verification/standard-webhooks';
import { eventIdentity } from './event-identity';
import { givenText } from './given-text';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem } from './push';
import { readBody, readJson } from './read-body';
import { usablePush } from './usable-push';

const GenericBody = z.object({
  registry: givenText,
  repository: z.string().min(1),
  tag: z.string().min(1),
  digest: givenText,
});

function readPush(delivery: Delivery, source: Source): DeliveryItem {
  const { registry, repository, tag, digest } = readBody(GenericBody, readJson(delivery.raw));
  if (registry === null && source.registryHost === null)
    throw new UnreadableDelivery('registry', 'is needed, since the source has no "registry_host"');
  const eventId = eventIdentity(delivery.header('webhook-id'));
  const announced = { imageName: repository, tag, digest, eventId };
  const found = pullReference(source, { host: registry ?? '', hostField: 'registry', repository });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  // `webhook-timestamp` is the attempt's time and not the push's.
  return usablePush({ ...announced, reference: found.reference, pushedAt: null });
}

const doubts: Readonly<Record<Exclude<StandardWebhookCheck, 'right'>, string>> = {
  absent: 'webhook-id, webhook-timestamp or webhook-signature is absent',
  unsigned: 'webhook-signature is not made with the secret over "<webhook-id>.<webhook-timestamp>.<body>"',
  late: "webhook-signature is right, but webhook-timestamp is more than five minutes off: set the sender's clock, and sign each repetition with its own time",
};

/** Whatever can sign by Standard Webhooks: a pipeline's last step, or a registry that nobody else understands. */
export const generic: RegistryKind = {
  name: 'generic',
  title: 'Anything that signs by Standard Webhooks',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'webhook-signature, "v1," and the HMAC-SHA256 in base64 over "<webhook-id>.<webhook-timestamp>.<body>", not older than five minutes (https://www.standardwebhooks.com); the secret is "whsec_" and the key in base64, or plain text',
  options: z.strictObject({}),
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // `webhook-id` is the same over an event's attempts. Only an unsigned delivery can come without, by a script run twice.
  repeatWindowSeconds: 60,
  verify(delivery, { secrets }, outside) {
    const sent = {
      id: delivery.header('webhook-id'),
      timestamp: delivery.header('webhook-timestamp'),
      signature: delivery.header('webhook-signature'),
      raw: delivery.raw,
    };
    const check = checkStandardWebhook(sent, secrets, outside.now());
    return check === 'right' ? { verified: true } : { verified: false, why: doubts[check] };
  },
  read: (delivery, source) => ({ items: [readPush(delivery, source)], skipped: [] }),
};
