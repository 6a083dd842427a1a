import { z } from 'zod';
import { parseEcr } from './ecr-event';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { readJson } from './read-body';
import { checkSecretHeader, SecretHeader } from './secret-header';

const Options = z.strictObject({ header: SecretHeader });

/** Amazon ECR, which has no webhooks: by a rule of EventBridge with an API destination as its target. */
export const ecr: RegistryKind<z.infer<typeof Options>> = {
  name: 'ecr',
  title: 'Amazon ECR, by an API destination of EventBridge',
  contentTypes: anyJson,
  // An event is half a kilobyte; a list of them holds some two thousand.
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    "the secret from its connection: as the API key (in Authorization, X-Api-Key, or the header that the option `header` names), as Basic's password, as OAuth's token, or, beside a token that changes, as the invocation parameter ?secret=<secret>",
  options: Options,
  // It repeats 401, 407, 409, 429 and 5xx for a day; any other status is final.
  answers: { deadlineMs: 5000, unreadable: 'refuse', notApproved: 403 },
  // Each event has an id and a time.
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = checkSecretHeader(delivery, source, [{ in: 'header', name: 'x-api-key' }]);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseEcr(readJson(delivery.raw), source),
};
