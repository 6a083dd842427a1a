import { createHmac } from 'node:crypto';
import { isAnyOf } from './compare';

export interface HmacScheme {
  algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  encoding: 'hex' | 'base64';
  /** What stands before the digest, such as `sha256=`. */
  prefix?: string;
}

/**
 * True when one of the signatures is made over `signed` with one of the secrets. Hexadecimal digits may be in either case;
 * everything else must be as the scheme writes it.
 */
export function isSigned(
  signatures: readonly (string | null)[],
  signed: Buffer | string,
  secrets: readonly (string | Buffer)[],
  scheme: HmacScheme,
): boolean {
  const { algorithm, encoding, prefix = '' } = scheme;
  const sent = signatures.flatMap((one) => digestIn(one, prefix, encoding) ?? []);
  const expected = secrets.map((secret) => createHmac(algorithm, secret).update(signed).digest(encoding));
  return isAnyOf(sent, expected);
}

function digestIn(signature: string | null, prefix: string, encoding: HmacScheme['encoding']): string | null {
  if (!signature?.startsWith(prefix)) return null;
  const digest = signature.slice(prefix.length);
  return encoding === 'hex' ? digest.toLowerCase() : digest;
}

/** True for whole seconds since 1970 that are no further from `now` than the tolerance, to either side. */
export function isTimely(seconds: string | null, now: Date, toleranceSeconds: number): boolean {
  if (seconds === null || !/^\d{1,12}$/.test(seconds)) return false;
  return Math.abs(now.getTime() / 1000 - Number(seconds)) <= toleranceSeconds;
}

export interface TimestampedSignature {
  signatures: readonly (string | null)[];
  /** Whole seconds since 1970, as sent. */
  timestamp: string | null;
  /** What the scheme signs, the timestamp among it: otherwise anyone could put a new one beside an old signature. */
  signed: Buffer | string;
  toleranceSeconds: number;
}

/** Both are looked at, so that the time does not tell which was wrong. */
export function isSignedInTime(
  sent: TimestampedSignature,
  secrets: readonly (string | Buffer)[],
  scheme: HmacScheme,
  now: Date,
): boolean {
  const signed = isSigned(sent.signatures, sent.signed, secrets, scheme);
  return isTimely(sent.timestamp, now, sent.toleranceSeconds) && signed;
}
