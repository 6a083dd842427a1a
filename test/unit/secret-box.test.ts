import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createSecretBox, isSecretKey, SealedSecretError } from '../../src/secret-box';

const key = randomBytes(32);
const box = createSecretBox(key.toString('base64'));

test('what is sealed is opened, also by the same key in hexadecimal, and looks different every time', () => {
  const sealed = box.seal('pässword', 'webhook-source:a');
  expect(createSecretBox(key.toString('hex')).open(sealed, 'webhook-source:a')).toBe('pässword');
  expect(box.seal('pässword', 'webhook-source:a').equals(sealed)).toBe(false);
  expect(sealed.includes(Buffer.from('pässword'))).toBe(false);
  expect(box.open(box.seal('', 'x'), 'x')).toBe('');
});

test('another key is told apart from a changed text, and both from an unknown form', () => {
  const sealed = box.seal('secret', 'a');
  const other = createSecretBox(randomBytes(32).toString('base64'));
  expect(() => other.open(sealed, 'a')).toThrow(/another FLEETWAVE_SECRETS_KEY/);
  for (let index = 5; index < sealed.length; index += 1) {
    const changed = Buffer.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(() => box.open(changed, 'a')).toThrow(/was changed/);
  }
  const version = Buffer.from(sealed);
  version[0] = 2;
  for (const unknown of [version, Buffer.alloc(0), sealed.subarray(0, 20)])
    expect(() => box.open(unknown, 'a')).toThrow(SealedSecretError);
});

test('moved to another source it does not open', () => {
  expect(() => box.open(box.seal('secret', 'webhook-source:a'), 'webhook-source:b')).toThrow(/another place/);
});

test('a fingerprint is the same for the same secret, and another with another key', () => {
  expect(box.fingerprint('secret')).toMatch(/^[0-9a-f]{8}$/);
  expect(box.fingerprint('secret')).toBe(box.fingerprint('secret'));
  expect(box.fingerprint('secret')).not.toBe(box.fingerprint('secres'));
  expect(box.fingerprint('secret')).not.toBe(createSecretBox(randomBytes(32).toString('hex')).fingerprint('secret'));
});

test.each([
  [key.toString('base64'), true],
  [key.toString('base64url'), true],
  [key.toString('hex').toUpperCase(), true],
  [randomBytes(31).toString('base64'), false],
  [randomBytes(33).toString('base64'), false],
  ['password', false],
  ['', false],
])('%s is a key: %s', (text, is) => {
  expect(isSecretKey(text)).toBe(is);
});
