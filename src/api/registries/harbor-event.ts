import { z } from 'zod';
import { eventIdOf, structuredEvent } from './cloud-event';
import { givenText } from './given-text';
import type { Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody } from './read-body';
import { readList } from './read-list';
import { readSeconds } from './read-time';
import { storable } from './storable';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

/** What the payload formats have in common, and where its data stand, to name their fields. */
export interface HarborEvent {
  type: string;
  id: string | null;
  pushedAt: string | null;
  data: unknown;
  dataPath: 'event_data' | 'data';
}

/** 2.x by the Default format, 1.x, 2.8 and later by the CloudEvents format. */
const PUSHED = new Set(['PUSH_ARTIFACT', 'pushImage', 'harbor.artifact.pushed']);

const DefaultEvent = z.object({
  type: z.string().min(1),
  occur_at: z.number().nullish().catch(null),
  event_data: z.unknown().optional(),
});

/** The Default format, the only one before 2.8: without an id of the event. @throws UnreadableDelivery */
export function harborEvent(body: unknown): HarborEvent {
  const { type, occur_at: seconds, event_data: data } = readBody(DefaultEvent, body);
  return { type, id: null, pushedAt: readSeconds(seconds), data, dataPath: 'event_data' };
}

/** The CloudEvents format: the id is made before the delivery is queued, so it is the same in each try. @throws UnreadableDelivery */
export function harborCloudEvent(body: unknown): HarborEvent {
  const event = structuredEvent(body);
  return {
    type: event.type,
    id: eventIdOf(event, 'delivery'),
    pushedAt: event.time,
    data: event.data,
    dataPath: 'data',
  };
}

const EventData = z.object({
  resources: z.array(z.unknown()),
  repository: z.object({ repo_full_name: givenText, namespace: givenText, name: givenText }),
});
const Resource = z.object({ digest: givenText, tag: givenText, resource_url: givenText });

/**
 * The pushes of an event. One event is one manifest, so its list has one resource; it is read as the list it is.
 * @throws UnreadableDelivery naming the field.
 */
export function parseHarborEvent(event: HarborEvent, place: Place): ParsedDelivery {
  // Data of other types are other: of a quota there is no repository, of a replication no resource.
  if (!PUSHED.has(event.type)) return { items: [], skipped: [storable(event.type)] };
  const { resources, repository } = readBody(EventData, event.data, event.dataPath);
  const { entries, odd } = readList(Resource, resources, `${event.dataPath}.resources`);
  const name = fullName(repository, `${event.dataPath}.repository.repo_full_name`);
  const parsed: ParsedDelivery = { items: [], skipped: Array<string>(odd).fill('resource that cannot be read') };
  for (const resource of entries) {
    const item = readResource(resource, name, event, place);
    if (item === null) parsed.skipped.push('push of an untagged manifest');
    else parsed.items.push(item);
  }
  return parsed;
}

function readResource(
  { digest, tag, resource_url: url }: z.output<typeof Resource>,
  imageName: string,
  { id, pushedAt, dataPath }: HarborEvent,
  place: Place,
): DeliveryItem | null {
  if (tag === null) return null;
  const announced = { imageName, tag, digest, eventId: id };
  const found = pullReference(place, {
    // The external address without a scheme. What follows is the name and, of a push by digest, two kinds of separators.
    host: (url ?? '').replace(/^https?:\/\//, '').split('/', 1)[0] ?? '',
    hostField: `${dataPath}.resources.resource_url`,
    repository: imageName,
  });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  return usablePush({ ...announced, reference: found.reference, pushedAt });
}

function fullName({ repo_full_name: full, namespace, name }: z.output<typeof EventData>['repository'], path: string) {
  if (full !== null) return full;
  if (namespace === null || name === null)
    throw new UnreadableDelivery(path, 'neither repo_full_name nor namespace and name are given');
  return `${namespace}/${name}`;
}
