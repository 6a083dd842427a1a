import { z } from 'zod';
import { readData, structuredEvent, type CloudEvent } from './cloud-event';
import { eventIdentity } from './event-identity';
import { givenText, hintText } from './given-text';
import type { Source } from './kind';
import { pushedInstead } from './media-types';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody } from './read-body';
import { readTime } from './read-time';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

const Kind = z.object({ source: z.string(), 'detail-type': z.string() });
/** https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html */
const ImageAction = z.object({
  ...{ id: hintText, time: hintText },
  ...{ account: z.string(), region: z.string() },
  detail: z.object({
    'action-type': z.string(),
    result: z.string(),
    'repository-name': z.string().min(1),
    'image-tag': givenText,
    'image-digest': givenText,
    // Seen in newer events; their names are not in the documentation.
    'manifest-media-type': hintText,
    'artifact-media-type': hintText,
  }),
});

const OTHER_EVENTS = new Set([
  ...['ECR Image Scan', 'ECR Scan Resource Change', 'ECR Replication Action', 'ECR Referrer Action'],
  ...['ECR Artifact Action', 'ECR Pull Through Cache Action'],
]);

/** What Argo CD Image Updater tells its users to make of the event by an input transformer. */
const TRANSFORMED = 'com.amazon.ecr.image.push';
const Transformed = z.object({
  repositoryName: z.string().min(1),
  imageTag: givenText,
  imageDigest: givenText,
  registryId: givenText,
});
/** All of a list are judged in one transaction, with their tags locked, while the sender waits five seconds. */
const MAX_EVENTS = 1000;
const TRANSFORMED_SOURCE = /^(?:urn|arn):aws[a-z-]*:ecr:([^:]*):([^:]*):/;

/**
 * What EventBridge posts of Amazon ECR: one event a tag, alone or (a target that batches) in a list, as it is or as a
 * CloudEvent. Those of untagged manifests, of scans and of replications come by the same rule.
 * @throws UnreadableDelivery naming the field; of a list only where nothing of it can be read, or it is too long.
 */
export function parseEcr(body: unknown, place: Place): ParsedDelivery {
  return Array.isArray(body) ? parseList(body, place) : collect([readEvent(body, place)]);
}

function parseList(events: readonly unknown[], place: Place): ParsedDelivery {
  if (events.length > MAX_EVENTS)
    throw new UnreadableDelivery('', `the list has ${events.length} events, and at most ${MAX_EVENTS} are read`);
  const odd: UnreadableDelivery[] = [];
  const read = events.map((event, index) => {
    try {
      return readEvent(event, place, `${String(index)}.`);
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      odd.push(error);
      const reason = `cannot be read: ${error.path}: ${error.message}`;
      return unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason });
    }
  });
  if (odd[0] !== undefined && odd.length === events.length) throw odd[0];
  return collect(read);
}

function collect(read: readonly (DeliveryItem | string)[]): ParsedDelivery {
  return {
    items: read.filter((one) => typeof one !== 'string'),
    skipped: read.filter((one) => typeof one === 'string'),
  };
}

/** The push, or what the event was about instead. */
function readEvent(event: unknown, place: Place, path = ''): DeliveryItem | string {
  const isObject = typeof event === 'object' && event !== null;
  if (isObject && Object.hasOwn(event, 'specversion')) return readTransformed(structuredEvent(event, path), place);
  return readImageAction(event, place, path.replace(/\.$/, ''));
}

function readImageAction(event: unknown, place: Place, at: string): DeliveryItem | string {
  const { source, 'detail-type': type } = readBody(Kind, event, at);
  if (source !== 'aws.ecr') return 'event of another service';
  if (type !== 'ECR Image Action') return OTHER_EVENTS.has(type) ? type : 'event of another kind';
  const { id, time, account, region, detail } = readBody(ImageAction, event, at);
  const action = detail['action-type'];
  if (action !== 'PUSH') return action === 'DELETE' ? action : 'event of an unknown action';
  if (detail.result !== 'SUCCESS') return 'PUSH that did not succeed';
  const instead = pushedInstead(detail['artifact-media-type'], detail['manifest-media-type']);
  if (instead !== null) return instead;
  return readPush(
    {
      ...{ account, region, repository: detail['repository-name'] },
      ...{ tag: detail['image-tag'], digest: detail['image-digest'] },
      eventId: eventIdentity(id),
      pushedAt: readTime(time),
    },
    place,
  );
}

function readTransformed(event: CloudEvent, place: Place): DeliveryItem | string {
  if (event.type !== TRANSFORMED) return 'event of another kind';
  const data = readData(Transformed, event);
  const [, region = '', account = ''] = TRANSFORMED_SOURCE.exec(event.source) ?? [];
  return readPush(
    {
      ...{ account: data.registryId ?? account, region, repository: data.repositoryName },
      ...{ tag: data.imageTag, digest: data.imageDigest },
      eventId: eventIdentity(event.id),
      pushedAt: event.time,
    },
    place,
  );
}

interface EcrPush {
  account: string;
  region: string;
  repository: string;
  tag: string | null;
  digest: string | null;
  eventId: string | null;
  pushedAt: string | null;
}

function readPush(
  { account, region, repository, tag, digest, eventId, pushedAt }: EcrPush,
  place: Place,
): DeliveryItem | string {
  // Each platform's manifest of a multi-arch image has an event of its own; the one of the index carries the tag.
  if (tag === null) return 'push of an untagged manifest';
  const announced = { imageName: repository, tag, digest, eventId };
  const host = ecrHost(account, region);
  const found = pullReference(place, { host, hostField: 'account and region', within: account, repository });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  return usablePush({ ...announced, reference: found.reference, pushedAt });
}

/** AWS's partitions, each under a domain of its own: `partitions.json` of the AWS SDKs. All others are `amazonaws.com`. */
const PARTITIONS: readonly [regions: string, domain: string][] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['us-isof-', 'csp.hci.ic.gov'],
  ['eu-isoe-', 'cloud.adc-e.uk'],
];

/** Where an account's images of a region are pulled from; empty where one of them is none, so that neither can name another host. */
function ecrHost(account: string, region: string): string {
  if (!/^\d{12}$/.test(account) || !/^[a-z]{2,8}(?:-[a-z]{1,16}){1,3}-\d{1,2}$/.test(region)) return '';
  const domain = PARTITIONS.find(([regions]) => region.startsWith(regions))?.[1] ?? 'amazonaws.com';
  return `${account}.dkr.ecr.${region}.${domain}`;
}
