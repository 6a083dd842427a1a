import { z } from 'zod';
import { eventIdOf, parseCloudEvents, readData, type CloudEvent } from './cloud-event';
import { givenText } from './given-text';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import { mayBeManifest } from './manifest-type';
import { pushedInstead } from './media-types';
import { pullReference } from './pull-place';
import { unusablePush, type DeliveryItem } from './push';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';
import { usablePush } from './usable-push';

/** `manifest`, the whole of it as a text, is not needed. */
const Updated = z.object({ name: z.string().min(1), reference: z.string(), digest: givenText, mediaType: givenText });

const OTHERS: ReadonlyMap<string, string> = new Map([
  ['zotregistry.image.deleted', 'delete'],
  ['zotregistry.image.lint_failed', 'failed check'],
  ['zotregistry.image.scanned', 'scan'],
  ['zotregistry.repository.created', 'new repository'],
]);

/** `ce-source` is one constant for all zots, so where the image is pulled from is for the operator to say. */
function readEvent(event: CloudEvent, place: Source): DeliveryItem[] | string {
  if (event.type !== 'zotregistry.image.updated') return OTHERS.get(event.type) ?? 'event of another type';
  const { name, reference: tag, digest, mediaType } = readData(Updated, event);
  if (!mayBeManifest(mediaType)) return 'push of a blob';
  const instead = pushedInstead(mediaType);
  if (instead !== null) return instead;
  if (tag === '') return 'push of an untagged manifest';
  const eventId = eventIdOf(event, 'delivery');
  const announced = { imageName: name, tag, digest, eventId };
  const found = pullReference(place, { host: null, hostField: '', repository: name });
  if ('reason' in found) return [unusablePush({ ...announced, reason: found.reason })];
  return [usablePush({ ...announced, reference: found.reference, pushedAt: event.time })];
}

const Options = z.strictObject({ header: SecretHeader });

/** zot with its extension `events`, sink http: CloudEvents in binary mode; the other modes are read as well. */
export const zot: RegistryKind<z.infer<typeof Options>> = {
  name: 'zot',
  title: 'zot',
  contentTypes: anyJson,
  // The body holds the manifest, which OCI allows to be four megabytes; of an image or an index it is some kilobytes.
  limitBytes: 2 * MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: secretHeaderInWords,
  options: Options,
  // It sends once and looks at no answer.
  answers: { deadlineMs: 30_000, unreadable: 'refuse', notApproved: 403 },
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = checkSecretHeader(delivery, source);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseCloudEvents(delivery, (event) => readEvent(event, source)),
};
