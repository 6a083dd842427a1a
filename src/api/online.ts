/** Agents poll once a minute or faster; five missed polls are silence. */
export const ONLINE_WITHIN_MS = 300_000;

export function isOnline(lastSeen: Date | null, now: Date): boolean {
  return lastSeen !== null && now.getTime() - lastSeen.getTime() <= ONLINE_WITHIN_MS;
}

/** The later of two, where either may be unknown. */
export function laterOf(first: Date | null, second: Date | null): Date | null {
  if (first === null || second === null) return first ?? second;
  return first > second ? first : second;
}
