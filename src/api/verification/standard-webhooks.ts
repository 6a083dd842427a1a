import { isSignedInTime } from './hmac';

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

/** https://www.standardwebhooks.com: HMAC-SHA256 over `id.timestamp.body`. A secret may be `whsec_` and base64, or plain text. */
export function isStandardWebhook(sent: StandardWebhook, secrets: readonly string[], now: Date): boolean {
  const { id, timestamp, signature, raw } = sent;
  if (id === null || id === '' || timestamp === null || signature === null) return false;
  const signatures = signature.split(' ').slice(0, MAX_SIGNATURES);
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), raw]);
  return isSignedInTime(
    { signatures, timestamp, signed, toleranceSeconds: TOLERANCE_SECONDS },
    secrets.map(keyOf),
    { algorithm: 'sha256', encoding: 'base64', prefix: 'v1,' },
    now,
  );
}

function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}
