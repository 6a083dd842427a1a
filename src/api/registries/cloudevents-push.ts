import { z } from 'zod';
import { eventIdOf, readData, type CloudEvent } from './cloud-event';
import { givenText } from './given-text';
import type { Source } from './kind';
import { readImagePackage } from './package-url';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem } from './push';
import { usablePush } from './usable-push';

const PUBLISHED = 'dev.cdevents.artifact.published.';
/** The last word of a type, where an operator has named none: the same data under `...deleted` must start nothing. */
const ANY_PUSH = /(?:^|[^A-Za-z])(?:push|pushed|published)$|(?:Push|Pushed|Published)$/;

/** The second names are those of events that EventBridge makes of its ECR events for other image updaters. */
const PushData = z.object({
  ...{ registry: givenText, registryUrl: givenText },
  ...{ repository: givenText, repositoryName: givenText },
  ...{ tag: givenText, imageTag: givenText },
  ...{ digest: givenText, imageDigest: givenText },
});
/** https://github.com/cdevents/spec/blob/main/continuous-integration.md#artifact-published */
const CdEvent = z.object({ subject: z.object({ id: z.string().min(1) }) });

interface Announced {
  host: string | null;
  hostField: string;
  repository: string;
  tag: string | null;
  digest: string | null;
}

/**
 * A push, by its type and then its data, or what the event was about instead. CDEvents' `artifact.packaged` is none unless the
 * operator lists it: what is only packaged cannot be pulled yet.
 * @throws UnreadableDelivery naming the field.
 */
export function readPushEvent(
  event: CloudEvent,
  place: Source,
  types: readonly string[] | undefined,
): DeliveryItem[] | string {
  if (!isPush(event.type, types)) return 'event of another type';
  const announced = event.type.startsWith('dev.cdevents.') ? announcedByPurl(event) : announcedByData(event);
  if (typeof announced === 'string') return announced;
  const { host, hostField, repository, tag, digest } = announced;
  if (tag === null) return 'push of an untagged manifest';
  const about = { imageName: repository, tag, digest, eventId: eventIdOf(event, 'source') };
  const found = pullReference(place, { host: host ?? '', hostField, repository });
  if ('reason' in found) return [unusablePush({ ...about, reason: found.reason })];
  return [usablePush({ ...about, reference: found.reference, pushedAt: event.time })];
}

function isPush(type: string, types: readonly string[] | undefined): boolean {
  if (type.startsWith(PUBLISHED)) return true;
  if (types === undefined) return ANY_PUSH.test(type);
  return types.some((one) => (one.endsWith('*') ? type.startsWith(one.slice(0, -1)) : type === one));
}

function announcedByPurl(event: CloudEvent): Announced | string {
  const found = readImagePackage(readData(CdEvent, event).subject.id);
  return found === null ? 'artifact that is no image' : { ...found, hostField: fieldOf(event, 'subject.id') };
}

function announcedByData(event: CloudEvent): Announced {
  const data = readData(PushData, event);
  const repository = data.repository ?? data.repositoryName;
  if (repository === null) throw new UnreadableDelivery(fieldOf(event, 'repository'), 'is needed');
  // A host, though some write it as an address.
  const host = (data.registry ?? data.registryUrl)?.replace(/^https?:\/\//i, '').replace(/\/+$/, '') ?? null;
  const [tag, digest] = [data.tag ?? data.imageTag, data.digest ?? data.imageDigest];
  return { host, hostField: fieldOf(event, 'registry'), repository, tag, digest };
}

function fieldOf({ dataPath }: CloudEvent, field: string): string {
  return dataPath === '' ? field : `${dataPath}.${field}`;
}
