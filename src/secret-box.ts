import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';

/** AES-256-GCM: version, key id, nonce, ciphertext, tag. */
const VERSION = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES;
const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/** A sealed text that cannot be opened; the message says which of the reasons it is, and the remedy. */
export class SealedSecretError extends Error {
  override readonly name = 'SealedSecretError';
}

export interface SecretBox {
  /** `place` is where the sealed text is kept: opened anywhere else, it fails. */
  seal(text: string, place: string): Buffer;
  /** @throws SealedSecretError */
  open(sealed: Buffer, place: string): string;
  /** Tells two secrets apart for people; without the key it says nothing about the secret, however short that is. */
  fingerprint(text: string): string;
}

/** 32 bytes as base64 (either alphabet) or hexadecimal. */
function readKey(text: string): Buffer | null {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return null;
  const key = Buffer.from(text, 'base64');
  return key.length === 32 ? key : null;
}

export function isSecretKey(text: string): boolean {
  return readKey(text) !== null;
}

/** @throws Error when the key is none; configuration has been checked before. */
export function createSecretBox(keyText: string): SecretBox {
  const key = readKey(keyText);
  if (key === null) throw new Error('the key is not 32 bytes in base64 or hexadecimal');
  const keyId = createHash('sha256').update('fleetwave key id').update(key).digest().subarray(0, KEY_ID_BYTES);
  // A key of its own, so that what is shown of a secret has nothing to do with how it is encrypted.
  const fingerprintKey = createHmac('sha256', key).update('fleetwave fingerprint').digest();
  const header = Buffer.concat([Buffer.from([VERSION]), keyId]);
  const bound = (place: string) => Buffer.concat([header, Buffer.from(place)]);
  return {
    seal(text, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound(place));
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([header, nonce, encrypted, cipher.getAuthTag()]);
    },
    open(sealed, place) {
      if (sealed[0] !== VERSION || sealed.length < OVERHEAD_BYTES)
        throw new SealedSecretError('the stored secret has a form that this release does not know');
      if (!sealed.subarray(1, HEADER_BYTES).equals(keyId))
        throw new SealedSecretError(
          'the stored secret was encrypted with another FLEETWAVE_SECRETS_KEY: set that key again, or set the secret anew',
        );
      const nonce = sealed.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(bound(place))
        .setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        const encrypted = sealed.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES);
        return Buffer.concat([decipher.update(encrypted), decipher.final()]).toString('utf8');
      } catch {
        throw new SealedSecretError('the stored secret was changed, or belongs to another place: set the secret anew');
      }
    },
    fingerprint: (text) => createHmac('sha256', fingerprintKey).update(text).digest('hex').slice(0, 8),
  };
}

/** Why any of these cannot be opened there with this key, with the remedy; null where all can be. */
export function whyUnreadable(sealed: readonly Buffer[], place: string, keyText: string | undefined): string | null {
  if (sealed.length === 0) return null;
  if (keyText === undefined)
    return 'it is encrypted, and FLEETWAVE_SECRETS_KEY is not set: set it, or set the secret anew';
  const box = createSecretBox(keyText);
  try {
    for (const one of sealed) box.open(one, place);
    return null;
  } catch (error) {
    if (error instanceof SealedSecretError) return error.message;
    throw error;
  }
}
