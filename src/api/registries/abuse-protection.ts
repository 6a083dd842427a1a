import { z } from 'zod';
import { HttpProblem } from '../problem';
import type { TokenCheck } from '../verification/shared-token';
import type { Answer, Delivery } from './kind';

/** Who may ask whether it may send, as it names itself; everyone where it is not given. */
export const AllowedOrigins = z.array(z.string().min(1).max(253)).max(20).optional();

const WORD = /^[A-Za-z0-9.:*_-]{1,253}$/;

/**
 * Answers the question `OPTIONS` with `WebHook-Request-Origin`, which a sender asks before its first delivery so that it
 * cannot be turned against a host that wants nothing of it; null for anything else. The answer opens nothing, every delivery
 * still proves itself; so a question without a secret is answered, since senders that put it into a header need not send
 * that one along. One with a wrong secret is refused, and its operator sees it at once. `WebHook-Request-Callback` is never called.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
 * @throws HttpProblem 401, 403
 */
export function answerAbuseProtection(
  delivery: Delivery,
  check: TokenCheck,
  allowedOrigins: readonly string[] | undefined,
): Answer | null {
  const origin = delivery.header('webhook-request-origin');
  if (delivery.method !== 'OPTIONS' || origin === null) return null;
  if (check === 'wrong')
    throw new HttpProblem(401, 'webhook-not-authenticated', 'the delivery is not authenticated', {
      headers: { 'www-authenticate': 'Bearer realm="webhooks"' },
      forTheLog: 'the question whether deliveries are welcome came with a wrong secret',
    });
  const isAllowed = allowedOrigins === undefined || allowedOrigins.includes(origin);
  if (!isAllowed || !WORD.test(origin))
    throw new HttpProblem(403, 'origin-not-allowed', 'deliveries of this origin are not welcome here');
  return {
    status: 200,
    headers: { allow: 'POST', 'webhook-allowed-origin': origin, 'webhook-allowed-rate': '*' },
  };
}
