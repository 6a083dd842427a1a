import { z } from 'zod';
import { isSigned } from '../verification/hmac';
import { checkToken } from '../verification/shared-token';
import { parseJFrog } from './jfrog-event';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { readJson } from './read-body';

const HEADER = 'x-jfrog-event-auth';
/** Under the name that JFrog's own API and Terraform provider have for it. */
const Options = z.strictObject({ use_secret_for_signing: z.boolean().default(false) });

/** Artifactory's predefined webhook of the domain docker. */
export const jfrog: RegistryKind<z.infer<typeof Options>> = {
  name: 'jfrog',
  title: 'JFrog Artifactory',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    'X-JFrog-Event-Auth: the secret itself, or, with the option use_secret_for_signing, HMAC-SHA256 over the body in hexadecimal digits',
  options: Options,
  // JFrog documents neither how long it waits nor what it repeats; a compatible sender repeats 5xx alone.
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  // No id and no time: of attempts ten seconds apart, which wait thirty, two come within this. A tag that moves to another digest
  // and back is told from a repetition once this is over.
  repeatWindowSeconds: 60,
  // In the configured mode alone: where signatures are asked for, a secret that was seen somewhere must open nothing.
  verify(delivery, { secrets, options }) {
    if (options.use_secret_for_signing) {
      const signature = delivery.header(HEADER);
      if (isSigned([signature], delivery.raw, secrets, { algorithm: 'sha256', encoding: 'hex' }))
        return { verified: true };
      return {
        verified: false,
        why: `X-JFrog-Event-Auth is ${signature === null ? 'absent' : 'no signature made with the secret'}`,
      };
    }
    const check = checkToken(delivery, secrets, [{ in: 'header', name: HEADER }]);
    return check === 'right'
      ? { verified: true }
      : { verified: false, why: `the secret in X-JFrog-Event-Auth is ${check}` };
  },
  read: (delivery, source) => parseJFrog(readJson(delivery.raw), source),
};
