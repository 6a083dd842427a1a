import { z } from 'zod';
import { bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { givenText, hintText } from './given-text';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import { pullReference } from './pull-place';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { usablePush } from './usable-push';

type Place = Pick<Source, 'registryHost' | 'repositories'>;

/** https://www.alibabacloud.com/help/en/acr/user-guide/manage-webhooks */
const AlibabaBody = z.object({
  push_data: z.object({ tag: z.string(), digest: givenText, pushed_at: hintText }),
  repository: z.object({ repo_full_name: givenText, namespace: givenText, name: givenText, region: hintText }),
});

/**
 * Every delivery is a push of one tag, without an id. It looks like Docker Hub's, but its image is not to be found there.
 * @throws UnreadableDelivery naming the field.
 */
function parseAlibaba(body: unknown, place: Place): ParsedDelivery {
  const { push_data: push, repository } = readBody(AlibabaBody, body);
  const name = repository.repo_full_name ?? joined(repository.namespace, repository.name);
  if (name === null)
    throw new UnreadableDelivery(
      'repository.repo_full_name',
      'neither repo_full_name nor namespace and name are given',
    );
  if (push.tag === '') return { items: [], skipped: ['push of an untagged manifest'] };
  const announced = { imageName: name, tag: push.tag, digest: push.digest, eventId: null };
  const found = pullReference(place, {
    host: personalHost(repository.region ?? ''),
    hostField: 'repository.region',
    within: repository.namespace,
    repository: name,
  });
  const item: DeliveryItem =
    'reason' in found
      ? unusablePush({ ...announced, reason: found.reason })
      : usablePush({ ...announced, reference: found.reference, pushedAt: readPushedAt(push.pushed_at) });
  return { items: [item], skipped: [] };
}

function joined(namespace: string | null, name: string | null): string | null {
  return namespace === null || name === null ? null : `${namespace}/${name}`;
}

/** Of the personal edition. An enterprise instance has a name of its own, which the delivery does not tell. */
function personalHost(region: string): string {
  return /^[a-z]{2}(?:-[a-z0-9]{1,20}){1,4}$/.test(region) ? `registry.${region}.aliyuncs.com` : '';
}

/**
 * `2026-01-01 00:00:00`, in a zone that is not documented. It is only ever compared with the times of the same registry, so
 * that reading all of them as UTC keeps their order.
 */
function readPushedAt(text: string | null): string | null {
  return text === null ? null : (readTime(text) ?? readTime(`${text}Z`));
}

/** Container Registry of Alibaba Cloud, both editions. */
export const alibaba: RegistryKind = {
  name: 'alibaba',
  title: 'Alibaba Cloud Container Registry',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret in the URL as ?secret=<secret>, since Alibaba Cloud can send no header; or as "Authorization: Bearer <secret>"',
  options: z.strictObject({}),
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // `pushed_at` tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const check = checkToken(delivery, secrets, [secretInUrl, bearer]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseAlibaba(readJson(delivery.raw), source),
};
