import { z } from 'zod';
import { isSigned } from '../verification/hmac';
import { FORM, formPayload, parseGiteaPackage } from './gitea-package';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind } from './kind';

/** Container packages of Gitea and Forgejo, by the webhook of an owner or of a repository that a package is linked to. */
export const gitea: RegistryKind = {
  name: 'gitea',
  title: 'Gitea and Forgejo',
  contentTypes: [...anyJson, FORM],
  limitBytes: MEBIBYTE,
  // Its method GET would bring the event in the URL, where every proxy on the way logs it.
  methods: [],
  proof: 'secret',
  proofInWords:
    "the webhook's secret, by X-Gitea-Signature (HMAC-SHA256 over the JSON in hexadecimal digits), X-Forgejo-Signature or X-Hub-Signature-256; SHA-1 proves nothing",
  options: z.strictObject({}),
  // It does not repeat by itself, and shows the status to people.
  answers: { deadlineMs: 5000, unreadable: 'refuse', notApproved: 403 },
  // Without the delivery's id the time of the version tells two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    if (
      signedTexts(delivery)
        .map((signed) => isSignedBy(delivery, signed, secrets))
        .includes(true)
    )
      return { verified: true };
    return { verified: false, why: 'X-Gitea-Signature is absent or not made with the secret' };
  },
  read: parseGiteaPackage,
};

/** A form is signed as the JSON in it, unlike GitHub's; one that is signed as it came proves the secret no less. */
function signedTexts(delivery: Delivery): (Buffer | string)[] {
  const payload = formPayload(delivery);
  return payload === null ? [delivery.raw] : [delivery.raw, payload];
}

function isSignedBy(delivery: Delivery, signed: Buffer | string, secrets: readonly string[]): boolean {
  const own = [delivery.header('x-gitea-signature'), delivery.header('x-forgejo-signature')];
  const bare = isSigned(own, signed, secrets, { algorithm: 'sha256', encoding: 'hex' });
  const prefixed = { algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' } as const;
  return isSigned([delivery.header('x-hub-signature-256')], signed, secrets, prefixed) || bare;
}
