import { z } from 'zod';
import { givenText, hintText } from './given-text';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readSeconds } from './read-time';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

const Event = z.object({ type: z.string(), occur_at: z.number().nullish().catch(null) });
const Pushed = z.object({
  event_data: z.object({
    resources: z.array(z.unknown()),
    repository: z.object({ repo_full_name: givenText, namespace: hintText, name: hintText }).nullish(),
  }),
});
const Resource = z.object({ tag: givenText, digest: givenText, resource_url: givenText });

const Options = z.strictObject({ header: SecretHeader });

/** Harbor's event of a push, by the name of its releases 1.x and by the later one. */
const PUSHES = new Set(['pushImage', 'PUSH_ARTIFACT']);
const OTHER_EVENTS = new Set([
  'deleteImage',
  'pullImage',
  'pushChart',
  'deleteChart',
  'DELETE_ARTIFACT',
  'PULL_ARTIFACT',
]);

/**
 * The event of Harbor 1.x, from which the Enterprise edition was made. Its documentation shows no body; this was not tried
 * against the service, so that either name of the event is taken, and a repository named by its address alone.
 * @throws UnreadableDelivery naming the field, where nothing can be read.
 */
function parseTencent(body: unknown, place: Place): ParsedDelivery {
  const { type, occur_at: seconds } = readBody(Event, body);
  if (!PUSHES.has(type)) return { items: [], skipped: [OTHER_EVENTS.has(type) ? type : 'event of an unknown type'] };
  const { resources, repository } = readBody(Pushed, body).event_data;
  const name = repository?.repo_full_name ?? joined(repository?.namespace ?? null, repository?.name ?? null);
  const about: About = { name, namespace: repository?.namespace ?? null, pushedAt: readSeconds(seconds), place };
  const parsed: ParsedDelivery = { items: [], skipped: [] };
  for (const [index, resource] of resources.entries()) {
    const read = readResource(resource, index, resources.length === 1, about);
    if (typeof read === 'string') parsed.skipped.push(read);
    else parsed.items.push(read);
  }
  return parsed;
}

interface About {
  name: string | null;
  namespace: string | null;
  pushedAt: string | null;
  place: Place;
}

/** The push, or what the resource was instead. Alone, it is refused where it cannot be read. */
function readResource(resource: unknown, index: number, isAlone: boolean, about: About): DeliveryItem | string {
  if (!isAlone && (typeof resource !== 'object' || resource === null)) return 'resource that is no object';
  try {
    return readPush(readBody(Resource, resource, `event_data.resources.${String(index)}`), about);
  } catch (error) {
    if (isAlone || !(error instanceof UnreadableDelivery)) throw error;
    const reason = `cannot be read: ${error.path}: ${error.message}`;
    return unusablePush({ imageName: about.name ?? '', tag: null, digest: null, eventId: null, reason });
  }
}

function readPush({ tag, digest, resource_url: url }: z.output<typeof Resource>, about: About): DeliveryItem | string {
  if (tag === null) return 'push of an untagged manifest';
  const address = splitAddress(url ?? '');
  const repository = about.name ?? address.path;
  if (repository === '')
    throw new UnreadableDelivery('event_data.repository.repo_full_name', 'the repository is not named');
  const announced = { imageName: repository, tag, digest, eventId: null };
  const found = pullReference(about.place, {
    host: address.host,
    hostField: 'resource_url',
    within: about.namespace,
    repository,
  });
  if ('reason' in found) return unusablePush({ ...announced, reason: found.reason });
  return usablePush({ ...announced, reference: found.reference, pushedAt: about.pushedAt });
}

/** `host/namespace/name:tag` or `host/namespace/name@digest`. */
function splitAddress(url: string): { host: string; path: string } {
  const [, host = '', path = ''] = /^([^/]+)\/([^:@]+)/.exec(url) ?? [];
  return { host, path };
}

function joined(namespace: string | null, name: string | null): string | null {
  return namespace === null || name === null ? null : `${namespace}/${name}`;
}

/** Tencent Container Registry, Enterprise edition. */
export const tencent: RegistryKind<z.infer<typeof Options>> = {
  name: 'tencent',
  title: 'Tencent Container Registry (Enterprise)',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: secretHeaderInWords,
  options: Options,
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // `occur_at` tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = checkSecretHeader(delivery, source);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseTencent(readJson(delivery.raw), source),
};
