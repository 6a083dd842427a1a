import { z } from 'zod';
import { bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { UnreadableDelivery, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { usablePush } from './usable-push';

/** Only the fields that are used. `callback_url` is none of them: it is legacy, and posting to it would be a gift to a forger. */
const DockerHubBody = z.object({
  push_data: z.object({
    tag: z.string().min(1),
    // Whole seconds today, a float in older deliveries, absent in hand-written ones; anything else is no time.
    pushed_at: z.number().positive().max(253_402_300_799).nullish().catch(null),
  }),
  repository: z.object({
    repo_name: z.string().min(1).nullish(),
    namespace: z.string().nullish(),
    name: z.string().min(1).nullish(),
  }),
});

/**
 * Docker Hub's body: every delivery is a push of a tag, without digest and without an id of its own.
 * @throws UnreadableDelivery naming the field.
 */
export function parseDockerHub(body: unknown): ParsedDelivery {
  const { push_data: push, repository } = readBody(DockerHubBody, body);
  const name = repository.repo_name ?? joinName(repository.namespace, repository.name);
  if (name === null)
    throw new UnreadableDelivery('repository.repo_name', 'neither repo_name nor namespace and name are given');
  const item = usablePush({
    reference: name,
    imageName: name,
    tag: push.tag,
    digest: null,
    eventId: null,
    pushedAt: push.pushed_at == null ? null : new Date(push.pushed_at * 1000).toISOString(),
  });
  return { items: [item], skipped: [] };
}

function joinName(namespace: string | null | undefined, name: string | null | undefined): string | null {
  if (name == null) return null;
  return namespace == null || namespace === '' ? name : `${namespace}/${name}`;
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
  read: (delivery) => parseDockerHub(readJson(delivery.raw)),
};
