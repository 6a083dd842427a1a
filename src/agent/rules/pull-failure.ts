export interface PullFailure {
  /** Kubernetes' word for it, then what the engine said. */
  reason: string;
  /** The registry has answered, and will answer the same: nothing is gained by waiting. */
  permanent: boolean;
}

/** As engines word what registries answer (404, 401, 403), each in its own way. */
const REFUSALS = [
  /manifest unknown/i,
  /not found/i,
  /name unknown/i,
  /repository does not exist/i,
  /unauthorized/i,
  /authentication required/i,
  /access .*denied/i,
  /no basic auth credentials/i,
  /no matching manifest/i,
  /no image found in (?:manifest list|image index)/i,
  /invalid reference/i,
];
const LONGEST = 300;

/** What a failed pull means. An outage is told from a refusal, because only the one ends by itself. */
export function pullFailure(message: string): PullFailure {
  const permanent = REFUSALS.some((pattern) => pattern.test(message)) && !/no such host|lookup .* on /i.test(message);
  const shortened = message.replace(/\s+/g, ' ').trim().slice(0, LONGEST);
  return { reason: `ErrImagePull: ${shortened === '' ? 'no reason was given' : shortened}`, permanent };
}

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 300_000;

/** Twice as long after each failure, from 5 s up to 5 min; `spread` in 0.7 to 1.3 keeps a fleet out of step. */
export function pullBackOffMs(failures: number, spread: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** Math.max(failures - 1, 0), LONGEST_WAIT_MS) * spread;
}
