import { z } from 'zod';
import { AllowedOrigins, answerAbuseProtection } from './abuse-protection';
import { parseCloudEvents } from './cloud-event';
import { readPushEvent } from './cloudevents-push';
import { anyJson, MEBIBYTE, type Delivery, type RegistryKind, type Source } from './kind';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';

const Options = z.strictObject({
  header: SecretHeader,
  allowed_origins: AllowedOrigins,
  /** What is a push: a type, or the beginning of one and `*`. CDEvents' `artifact.published` always is. */
  types: z.array(z.string().min(1).max(200)).min(1).max(50).optional(),
});
type Options = z.infer<typeof Options>;

/** Any sender of CloudEvents 1.0, in structured, batched or binary mode; CDEvents among them. */
export const cloudevents: RegistryKind<Options> = {
  name: 'cloudevents',
  title: 'CloudEvents and CDEvents',
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: ['OPTIONS'],
  proof: 'secret',
  proofInWords: `${secretHeaderInWords} or ?access_token=<secret>`,
  options: Options,
  // Each sender has its own rules; what they have in common is that most take 4xx for final.
  answers: { deadlineMs: null, unreadable: 'refuse', notApproved: 403 },
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = secretIn(delivery, source);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseCloudEvents(delivery, (event) => readPushEvent(event, source, source.options.types)),
  handshake(delivery, source) {
    const check = source.secrets.length === 0 ? 'absent' : secretIn(delivery, source);
    return answerAbuseProtection(delivery, check, source.options.allowed_origins);
  },
};

function secretIn(delivery: Delivery, source: Source<Options>): ReturnType<typeof checkSecretHeader> {
  // https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#3-authorization
  return checkSecretHeader(delivery, source, [{ in: 'query', name: 'access_token' }]);
}
