import { z } from 'zod';
import { parseImageReference } from '../../domain/image-reference';
import { bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { pushedInstead } from './media-types';
import { UnreadableDelivery, unusablePush, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readSeconds } from './read-time';
import { usablePush } from './usable-push';

/** Only the fields that are used. `callback_url` is none of them: it is legacy, and posting to it would be a gift to a forger. */
const DockerHubBody = z.object({
  push_data: z.object({
    tag: z.string(),
    // Whole seconds today, a float in older deliveries, absent in hand-written ones; anything else is no time.
    pushed_at: z.number().nullish().catch(null),
    media_type: z.string().nullish().catch(null),
  }),
  repository: z.object({
    repo_name: z.string().nullish(),
    namespace: z.string().nullish(),
    name: z.string().nullish(),
  }),
});

/**
 * Docker Hub's body: every delivery is a push of a tag, without digest and without an id of its own. `referenceOf` says
 * under which name what Docker Hub calls so is pulled, or why it cannot be.
 * @throws UnreadableDelivery naming the field.
 */
export function parseDockerHub(
  body: unknown,
  referenceOf: (name: string) => { reference: string } | { reason: string } = (name) => ({ reference: name }),
): ParsedDelivery {
  const { push_data: pushed, repository } = readBody(DockerHubBody, body);
  const name = nameOf(repository);
  if (pushed.tag === '') return { items: [], skipped: ['push without a tag'] };
  const instead = pushedInstead(pushed.media_type);
  if (instead !== null) return { items: [], skipped: [instead] };
  const announced = { imageName: name, tag: pushed.tag, digest: null, eventId: null };
  const found = referenceOf(name);
  if ('reason' in found) return { items: [unusablePush({ ...announced, reason: found.reason })], skipped: [] };
  const push = { ...announced, reference: found.reference, pushedAt: readSeconds(pushed.pushed_at) };
  return { items: [usablePush(push)], skipped: [] };
}

function nameOf({ repo_name: whole, namespace, name }: z.infer<typeof DockerHubBody>['repository']): string {
  if (whole != null && whole !== '') return whole;
  if (name == null || name === '')
    throw new UnreadableDelivery('repository.repo_name', 'neither repo_name nor namespace and name are given');
  return namespace == null || namespace === '' ? name : `${namespace}/${name}`;
}

/** Docker Hub speaks of its own images only: a name with another registry in it is not its own. */
function onDockerHub(name: string, registryHost: string | null): { reference: string } | { reason: string } {
  const parsed = parseImageReference(name);
  if (!parsed.ok) return { reference: name };
  const { registry, repository, tag, digest } = parsed.reference;
  if (registry !== 'docker.io') return { reason: 'Docker Hub announces images of docker.io only' };
  const isName = tag === null && digest === null;
  return { reference: registryHost !== null && isName ? `${registryHost}/${repository}` : name };
}

export const dockerhub: RegistryKind = {
  name: 'dockerhub',
  title: 'Docker Hub',
  contentTypes: anyJson,
  // The body carries the repository's whole description.
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret in the URL as ?secret=<secret>, since Docker Hub can send no header; or as "Authorization: Bearer <secret>"',
  options: z.strictObject({}),
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // `pushed_at` tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const check = checkToken(delivery, secrets, [secretInUrl, bearer]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, { registryHost }) =>
    parseDockerHub(readJson(delivery.raw), (name) => onDockerHub(name, registryHost)),
};
