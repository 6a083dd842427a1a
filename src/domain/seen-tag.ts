/** For how long a digest that came to light waits for its webhook: longer than senders take to deliver, and to deliver again. */
export const SETTLE_SECONDS = 120;

/** What is remembered of a tag that a registry was seen to have. */
export interface KnownTag {
  /** Null while only its name was seen, or while its first digest is pending. */
  digest: string | null;
  /** Seen lately instead of `digest`, and not taken yet: its webhook may be on its way. */
  pendingDigest: string | null;
  /** The pending one was seen that long ago, and its webhook had its time. */
  ripe: boolean;
}

/**
 * What a digest that was found now means:
 * - `same`: nothing happened.
 * - `noted`: it is remembered and starts nothing, because the tag was not watched so far.
 * - `pending`: it came to light; whether it is a push that no webhook told of is decided in a later look.
 * - `due`: it was pending, has had its time and is still there.
 */
export type SeenAs = 'same' | 'noted' | 'pending' | 'waiting' | 'due';

/** `watchedBefore`: had it been there at the look before, it would be known. */
export function judgeSeen(known: KnownTag | undefined, digest: string, watchedBefore: boolean): SeenAs {
  if (known?.digest === digest) return 'same';
  if (!watchedBefore) return 'noted';
  if (known === undefined) return 'pending';
  if (known.pendingDigest === digest) return known.ripe ? 'due' : 'waiting';
  // Only its name was known: it was there before, whatever it pointed to.
  return known.digest === null && known.pendingDigest === null ? 'noted' : 'pending';
}
