import { createHash, timingSafeEqual } from 'node:crypto';

/** Compares hashes: they have one length, so neither the length nor the first difference of the texts shows in the time. */
export function isSame(sent: string | Buffer, expected: string | Buffer): boolean {
  return timingSafeEqual(createHash('sha256').update(sent).digest(), createHash('sha256').update(expected).digest());
}

/** True when anything sent is one of the expected. All are compared, so that the time does not tell which one it was. */
export function isAnyOf(sent: readonly (string | Buffer)[], expected: readonly (string | Buffer)[]): boolean {
  let found = false;
  for (const one of sent) for (const other of expected) found = isSame(one, other) || found;
  return found;
}
