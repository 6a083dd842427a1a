import { HttpProblem } from './problem';
import type { Delivery } from './registries/kind';
import type { StoredSource } from './source-store';
import { OutsideUnavailable, type Outside } from './verification/outside';

/**
 * @returns false where nothing had to be proven.
 * @throws HttpProblem 401, the same for every way of being wrong; only the log tells what is expected. 503 where keys are away.
 */
export async function requireProof(stored: StoredSource, delivery: Delivery, outside: Outside): Promise<boolean> {
  const { kind, source, allowUnsigned, secretsAre } = stored;
  if (source.secrets.length === 0 && allowUnsigned) return false;
  if (source.secrets.length === 0 && kind.proof === 'secret')
    throw refusal(`there is no secret, so nothing is let in: set ${secretsAre}, then send ${kind.proofInWords}`);
  try {
    const result = await kind.verify(delivery, source, outside);
    if (!result.verified) throw refusal(`${result.why}. Expected: ${kind.expects?.(source) ?? secretsAre}`);
    return true;
  } catch (error) {
    if (!(error instanceof OutsideUnavailable)) throw error;
    throw new HttpProblem(503, 'keys-unavailable', 'the keys that prove this delivery cannot be had now: try again', {
      headers: { 'retry-after': '30' },
      forTheLog: `the keys that prove it cannot be had now: ${error.message}`,
    });
  }
}

function refusal(why: string): HttpProblem {
  return new HttpProblem(401, 'webhook-not-authenticated', 'the delivery is not authenticated', {
    headers: { 'www-authenticate': 'Bearer realm="webhooks"' },
    forTheLog: why,
  });
}
