import { z } from 'zod';
import { AzurePush, readAzurePush } from './azure-push';
import { eventIdentity } from './event-identity';
import { anyJson, MEBIBYTE, type RegistryKind, type Source } from './kind';
import type { ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';

/** Of the other actions a ping has nothing else, and a chart's push another shape: they are read no further. */
const Action = z.object({ id: z.string().nullish(), action: z.string().min(1) });
const OTHER_ACTIONS = new Set(['ping', 'delete', 'quarantine', 'chart_push', 'chart_delete']);

function parseAcr(body: unknown, source: Source): ParsedDelivery {
  const { id, action } = readBody(Action, body);
  if (action !== 'push')
    return { items: [], skipped: [OTHER_ACTIONS.has(action) ? action : 'event of an unknown action'] };
  const push = readBody(AzurePush, body);
  const read = readAzurePush(push, source, { eventId: eventIdentity(id), pushedAt: readTime(push.timestamp) });
  return typeof read === 'string' ? { items: [], skipped: [read] } : { items: read, skipped: [] };
}

const Options = z.strictObject({ header: SecretHeader });

/** Azure Container Registry's own webhooks (`az acr webhook create`); by Event Grid it is another kind. */
export const acr: RegistryKind<z.infer<typeof Options>> = {
  name: 'acr',
  title: 'Azure Container Registry',
  // Its `Content-Type` is one of the headers that an operator can set.
  contentTypes: anyJson,
  limitBytes: MEBIBYTE,
  methods: [],
  proof: 'secret',
  proofInWords: secretHeaderInWords,
  options: Options,
  // It sends once: https://github.com/Azure/acr/issues/681. What is refused shows in its own list of events.
  answers: { deadlineMs: 5000, unreadable: 'refuse', notApproved: 403 },
  // `id` and `timestamp` tell two pushes apart.
  repeatWindowSeconds: null,
  verify(delivery, source) {
    const check = checkSecretHeader(delivery, source);
    return check === 'right' ? { verified: true } : { verified: false, why: `the secret is ${check}` };
  },
  read: (delivery, source) => parseAcr(readJson(delivery.raw), source),
};
