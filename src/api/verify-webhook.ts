import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Config } from '../config';
import { HttpProblem } from './problem';

/**
 * Lets a delivery pass that proves it knows the secret: an HMAC-SHA256 over the raw bytes, or the secret itself for the
 * registries that can only send a fixed header or a URL. A signature that is sent must be right, whatever else is sent.
 * SHA-1 signatures (`X-Hub-Signature` alone) prove nothing here.
 * @throws HttpProblem 401, the same for every way of being wrong; only the log tells what is expected.
 */
export function verifyWebhook(request: Request, raw: Buffer, config: Config): void {
  const secret = config.FLEETWAVE_WEBHOOK_SECRET;
  if (secret === undefined) {
    if (config.FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS) return;
    throw refusal(`FLEETWAVE_WEBHOOK_SECRET is not set, so no webhook is let in: set it, then send it ${WAYS}`);
  }
  const signature = request.get('x-hub-signature-256');
  if (signature !== undefined) {
    const expected = `sha256=${createHmac('sha256', secret).update(raw).digest('hex')}`;
    if (!isSame(signature, expected))
      throw refusal(`its X-Hub-Signature-256 is not made with FLEETWAVE_WEBHOOK_SECRET. The secret may come ${WAYS}`);
    return;
  }
  const bearer = /^Bearer +(.+)$/i.exec(request.get('authorization') ?? '')?.[1];
  const inUrl = request.query['secret'];
  const sent = bearer ?? (typeof inUrl === 'string' ? inUrl : '');
  if (!isSame(sent, secret))
    throw refusal(
      `it ${sent === '' ? 'does not bring' : 'brings another secret than'} FLEETWAVE_WEBHOOK_SECRET, which may come ${WAYS}`,
    );
}

/** Compares hashes: they have one length, so neither the length nor the first difference of the texts shows in the time. */
function isSame(sent: string, expected: string): boolean {
  return timingSafeEqual(createHash('sha256').update(sent).digest(), createHash('sha256').update(expected).digest());
}

/** The three ways, in words. */
const WAYS =
  'as "Authorization: Bearer <secret>", as X-Hub-Signature-256 (HMAC-SHA256 over the body), or in the URL as ?secret=<secret>';

function refusal(why: string): HttpProblem {
  return new HttpProblem(401, 'webhook-not-authenticated', 'the delivery is not authenticated', {
    headers: { 'www-authenticate': 'Bearer realm="webhooks"' },
    forTheLog: `a webhook delivery was refused: ${why}`,
  });
}
