import { z } from 'zod';
import { AllowedOrigins, answerAbuseProtection } from './abuse-protection';
import { readEventGrid, validationAnswer, withValidation } from './eventgrid-events';
import { EntraApplication, verifyEntraToken } from './eventgrid-token';
import { anyJson, MEBIBYTE, type RegistryKind } from './kind';
import { checkSecretHeader, SecretHeader, secretHeaderInWords } from './secret-header';

const Options = z.strictObject({ header: SecretHeader, allowed_origins: AllowedOrigins, entra: EntraApplication });

/** Azure Container Registry's events by an Event Grid subscription, in its own schema or as CloudEvents. */
export const eventgrid: RegistryKind<z.infer<typeof Options>> = {
  name: 'eventgrid',
  title: 'Azure Container Registry through Event Grid',
  contentTypes: anyJson,
  // One event may have a megabyte, and a batch that much beside its own brackets.
  limitBytes: 2 * MEBIBYTE,
  methods: ['OPTIONS'],
  proof: 'own',
  expects: ({ options: { entra }, secrets }) =>
    entra === undefined
      ? null
      : `a Microsoft Entra token for the audience ${entra.audience} in the tenant ${entra.tenant_id}, of one of the applications ${entra.application_ids.join(', ')}, as the source's option "entra" says${secrets.length === 0 ? '' : "; or the source's secret"}`,
  provesItself: ({ entra }) => entra !== undefined,
  proofInWords: `${secretHeaderInWords}; or, with the option \`entra\`, a Microsoft Entra token of Event Grid's`,
  options: Options,
  // It repeats all but 200 to 204 for a day; 400 and 413 are dropped, or go to its dead letters.
  answers: { deadlineMs: 30_000, unreadable: 'record', notApproved: 202 },
  repeatWindowSeconds: null,
  async verify(delivery, source, outside) {
    const check = checkSecretHeader(delivery, source);
    if (check === 'right') return { verified: true };
    if (source.options.entra === undefined) return { verified: false, why: `the secret is ${check}` };
    return verifyEntraToken(delivery, source.options.entra, outside);
  },
  read: readEventGrid,
  answer: withValidation,
  handshake(delivery, source) {
    if (delivery.method !== 'OPTIONS') return validationAnswer(delivery);
    // A token can be neither told from a wrong secret here, nor checked without asking for keys on a stranger's word.
    const isChecked = source.secrets.length > 0 && source.options.entra === undefined;
    const check = isChecked ? checkSecretHeader(delivery, source) : 'absent';
    return answerAbuseProtection(delivery, check, source.options.allowed_origins);
  },
};
