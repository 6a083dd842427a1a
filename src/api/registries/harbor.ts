import { z } from 'zod';
import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { isStructured } from './cloud-event';
import { harborCloudEvent, harborEvent, parseHarborEvent } from './harbor-event';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { readJson } from './read-body';

/** Harbor 1.x and 2.x, and what is built on it: a webhook policy of a project, in either payload format. */
export const harbor: RegistryKind = {
  name: 'harbor',
  title: 'Harbor',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'the secret as the policy\'s "Auth Header", which Harbor sends as the whole Authorization header (also "Bearer <secret>", or as Basic\'s password), or in the URL as ?secret=<secret>',
  options: z.strictObject({}),
  // It tries three times, whatever the refusal.
  answers: { deadlineMs: 3000, unreadable: 'refuse', notApproved: 202 },
  // The Default format tells the second of the push, and tries are alike to the byte.
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const places = [{ in: 'header' as const, name: 'authorization' }, bearer, basic, secretInUrl];
    const check = checkToken(delivery, secrets, places);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read(delivery, source) {
    const body = readJson(delivery.raw);
    // Both formats have the same proof, so nothing is won by choosing; a proxy may have renamed the content type.
    const isCloudEvent =
      isStructured(delivery.contentType) ||
      (typeof body === 'object' && body !== null && Object.hasOwn(body, 'specversion'));
    return parseHarborEvent(isCloudEvent ? harborCloudEvent(body) : harborEvent(body), source);
  },
};
