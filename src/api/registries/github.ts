import { z } from 'zod';
import { isSigned } from '../verification/hmac';
import { parseGitHubPackage } from './github-package';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind } from './kind';
import { UnreadableDelivery } from './push';
import { parseJson, readJson, readText } from './read-body';

const FORM = 'application/x-www-form-urlencoded';

/** Container packages of GitHub, by a repository's, an organisation's or an app's webhook. */
export const github: RegistryKind = {
  name: 'github',
  title: 'GitHub Container Registry',
  contentTypes: [...anyJson, FORM],
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords:
    "the webhook's secret, by X-Hub-Signature-256 (HMAC-SHA256 over the body); X-Hub-Signature proves nothing",
  options: z.strictObject({}),
  // It does not repeat by itself, and shows the status to people.
  answers: { deadlineMs: 10_000, unreadable: 'refuse', notApproved: 403 },
  repeatWindowSeconds: null,
  verify(delivery, { secrets }) {
    const signature = delivery.header('x-hub-signature-256');
    if (isSigned([signature], delivery.raw, secrets, { algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' }))
      return { verified: true };
    return {
      verified: false,
      why: `X-Hub-Signature-256 is ${signature === null ? 'absent' : 'not made with the secret'}`,
    };
  },
  read(delivery, { registryHost }) {
    const event = delivery.header('x-github-event');
    if (event === null) throw new UnreadableDelivery('X-GitHub-Event', 'the header is needed');
    // GitHub Enterprise Server has a registry of its own, which its events do not name.
    return parseGitHubPackage(bodyOf(delivery), event, delivery.header('x-github-delivery'), registryHost ?? 'ghcr.io');
  },
};

/** The API's default is a form with the JSON in `payload`; the signature is over the form as it came. */
function bodyOf({ raw, contentType }: Delivery): unknown {
  if (contentType !== FORM) return readJson(raw);
  const payload = new URLSearchParams(readText(raw)).get('payload');
  if (payload === null) throw new UnreadableDelivery('payload', 'is needed');
  return parseJson(payload, 'payload');
}
