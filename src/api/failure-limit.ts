import { createBoundedMap } from '../registry-client/bounded-map';
import { HttpProblem } from './problem';

export interface FailureLimit {
  /** What a refused caller is to be answered: the refusal itself, or 429 once its address had too many of them. */
  refusal(ip: string | undefined, error: unknown): unknown;
}

/** Addresses that are remembered, some 100 bytes each; beyond them the oldest is forgotten. */
const MAX_ADDRESSES = 10_000;

/**
 * Counts the refused requests of each address, and them alone: a plant registers hundreds of devices from behind one address in
 * minutes, and a device with a stale key there must not keep the others out. Keys are 256 random bits, which nobody guesses; the
 * limit tells an agent, or a person, that trying on is no use. Each API process counts by itself.
 */
export function createFailureLimit(limit: number, windowMs: number, now: () => number = Date.now): FailureLimit {
  const failures = createBoundedMap<{ since: number; count: number }>(MAX_ADDRESSES);
  return {
    refusal(ip, error) {
      if (!(error instanceof HttpProblem) || error.status >= 500) return error;
      const address = networkOf(ip ?? '');
      const found = failures.get(address);
      const counted = found === undefined || now() - found.since >= windowMs ? { since: now(), count: 0 } : found;
      if (counted !== found) failures.set(address, counted);
      counted.count += 1;
      if (counted.count <= limit) return error;
      const seconds = Math.max(1, Math.ceil((counted.since + windowMs - now()) / 1000));
      return new HttpProblem(
        429,
        'too-many-failures',
        `too many refused requests from this address: ${error.message}`,
        {
          headers: { 'retry-after': String(seconds) },
        },
      );
    },
  };
}

/** Who has one IPv6 address has the 2^64 of its network. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.split('::');
  const first = head.split(':');
  const last = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => '0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
