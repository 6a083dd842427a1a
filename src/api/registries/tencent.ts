import { z } from 'zod';
import { harborEvent, parseHarborEvent } from './harbor-event';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { readJson } from './read-body';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';

const Options = z.strictObject({ header: SecretHeader });

/**
 * Tencent Container Registry, Enterprise edition. Its documentation shows no body. It is said to be that of Harbor 1.x, which
 * was not tried against the service; so the later name of Harbor's event is taken as well.
 */
export const tencent: RegistryKind<z.infer<typeof Options>> = {
  name: 'tencent',
  title: 'Tencent Container Registry (Enterprise)',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: secretHeaderInWords,
  options: Options,
  // Harbor tries three times, whatever the refusal.
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 202 },
  // `occur_at` tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = checkSecretHeader(delivery, source);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseHarborEvent(harborEvent(readJson(delivery.raw)), source),
};
