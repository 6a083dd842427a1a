import { isSigned, isSignedInTime } from './hmac';

/** As the specification recommends. */
const TOLERANCE_SECONDS = 300;
/** Senders rotate with two or three; a list without end would be work without end. */
const MAX_SIGNATURES = 10;

export interface StandardWebhook {
  /** `webhook-id` */
  id: string | null;
  /** `webhook-timestamp` */
  timestamp: string | null;
  /** `webhook-signature`: `v1,<base64>` one or more times, with spaces between. */
  signature: string | null;
  raw: Buffer;
}

/** `late`, or early: signed with the secret, but at another time. The difference is for the log alone. */
export type StandardWebhookCheck = 'right' | 'absent' | 'unsigned' | 'late';

/** https://www.standardwebhooks.com: HMAC-SHA256 over `id.timestamp.body`. A secret may be `whsec_` and base64, or plain text. */
export function checkStandardWebhook(
  sent: StandardWebhook,
  secrets: readonly string[],
  now: Date,
): StandardWebhookCheck {
  const { id, timestamp, signature, raw } = sent;
  if (id === null || id === '' || timestamp === null || signature === null) return 'absent';
  const signatures = signature.split(' ').slice(0, MAX_SIGNATURES);
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), raw]);
  const scheme = { algorithm: 'sha256', encoding: 'base64', prefix: 'v1,' } as const;
  const keys = secrets.map(keyOf);
  if (isSignedInTime({ signatures, timestamp, signed, toleranceSeconds: TOLERANCE_SECONDS }, keys, scheme, now))
    return 'right';
  return isSigned(signatures, signed, keys, scheme) ? 'late' : 'unsigned';
}

function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}
