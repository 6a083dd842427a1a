import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { isSigned, isSignedInTime, isTimely } from '../../../src/api/verification/hmac';
import { checkStandardWebhook } from '../../../src/api/verification/standard-webhooks';
import { basic, bearer, checkToken, secretInUrl } from '../../../src/api/verification/shared-token';

const isStandardWebhook = (...given: Parameters<typeof checkStandardWebhook>) =>
  checkStandardWebhook(...given) === 'right';

describe('HMAC', () => {
  const said = 'what do ya want for nothing?';
  const sha256 = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';
  // RFC 2202 and RFC 4231, test case 2; the last is of GitHub's documentation.
  test.each([
    ['effcdf6ae5eb2fa2d27416d5f184df9c259a7c79', said, 'Jefe', { algorithm: 'sha1', encoding: 'hex' }],
    [sha256, said, 'Jefe', { algorithm: 'sha256', encoding: 'hex' }],
    [sha256.toUpperCase(), said, 'Jefe', { algorithm: 'sha256', encoding: 'hex' }],
    [Buffer.from(sha256, 'hex').toString('base64'), said, 'Jefe', { algorithm: 'sha256', encoding: 'base64' }],
    [
      'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
      'Hello, World!',
      "It's a Secret to Everybody",
      { algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' },
    ],
  ] as const)('%s', (signature, signed, secret, scheme) => {
    expect(isSigned([signature], Buffer.from(signed), [secret], scheme)).toBe(true);
    expect(isSigned([null, 'x', signature], Buffer.from(signed), ['another', secret], scheme)).toBe(true);
    expect(isSigned([signature], Buffer.from(`${signed} `), [secret], scheme)).toBe(false);
    expect(isSigned([signature], Buffer.from(signed), [`${secret}x`], scheme)).toBe(false);
    expect(isSigned([signature], Buffer.from(signed), [], scheme)).toBe(false);
    expect(isSigned([signature.slice(0, -1)], Buffer.from(signed), [secret], scheme)).toBe(false);
    expect(isSigned([`${signature}00`], Buffer.from(signed), [secret], scheme)).toBe(false);
  });

  test('without the prefix that the scheme has, a right digest is none', () => {
    const scheme = { algorithm: 'sha256', encoding: 'hex', prefix: 'sha256=' } as const;
    expect(isSigned([sha256, `sha1=${sha256}`, ''], said, ['Jefe'], scheme)).toBe(false);
  });

  const now = new Date('2026-01-01T00:00:00Z');
  test.each([
    ['1767225600', true],
    ['1767225300', true],
    ['1767225900', true],
    ['1767225299', false],
    ['1767225901', false],
    ['1767225600.5', false],
    ['1767225600000', false],
    ['-1', false],
    ['', false],
    [null, false],
  ])('%s is in time: %s', (seconds, timely) => {
    expect(isTimely(seconds, now, 300)).toBe(timely);
  });

  test('a right signature out of time is refused, and so is a wrong one in time', () => {
    const scheme = { algorithm: 'sha512', encoding: 'hex' } as const;
    const sign = (text: string) => createHmac('sha512', 'secret').update(text).digest('hex');
    const sent = (timestamp: string, signed: string) => ({
      ...{ timestamp, signed: `${timestamp}.body`, toleranceSeconds: 300 },
      signatures: [sign(signed)],
    });
    expect(isSignedInTime(sent('1767225600', '1767225600.body'), ['secret'], scheme, now)).toBe(true);
    expect(isSignedInTime(sent('1767220000', '1767220000.body'), ['secret'], scheme, now)).toBe(false);
    expect(isSignedInTime(sent('1767225600', '1767220000.body'), ['secret'], scheme, now)).toBe(false);
  });
});

describe('Standard Webhooks', () => {
  // The example of the specification's own libraries.
  const secret = 'whsec_plJ3nmyCDGBKInavdOK15jsl';
  const sent = {
    id: 'msg_loFOjxBNrRLzqYUf',
    timestamp: '1731705121',
    signature: 'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=',
    raw: Buffer.from('{"event_type":"ping","data":{"success":true}}'),
  };
  const now = new Date(1_731_705_121_000);

  test('the vector passes, also among other signatures and with a second secret', () => {
    expect(isStandardWebhook(sent, [secret], now)).toBe(true);
    const several = `v1,AAAA v1a,xx ${sent.signature}`;
    expect(isStandardWebhook({ ...sent, signature: several }, ['whsec_AAAA', secret], now)).toBe(true);
  });

  test.each([
    ['another id', { id: 'msg_2' }],
    ['no id', { id: null }],
    ['another time', { timestamp: '1731705122' }],
    ['another body', { raw: Buffer.from('{}') }],
    ['another version', { signature: sent.signature.replace('v1', 'v2') }],
    ['no signature', { signature: null }],
  ])('%s is refused', (_, change) => {
    expect(isStandardWebhook({ ...sent, ...change }, [secret], now)).toBe(false);
  });

  test('five minutes late is late, and an id holding a full stop cannot shift what is signed', () => {
    expect(isStandardWebhook(sent, [secret], new Date(now.getTime() + 301_000))).toBe(false);
    const plain = createHmac('sha256', 'text').update('a.b.1731705121.x').digest('base64');
    expect(
      isStandardWebhook(
        { id: 'a', timestamp: 'b.1731705121', signature: `v1,${plain}`, raw: Buffer.from('x') },
        ['text'],
        now,
      ),
    ).toBe(false);
  });
});

describe('a secret that is sent as it is', () => {
  const of = (headers: Record<string, string>, query: Record<string, string> = {}) => ({
    header: (name: string) => headers[name] ?? null,
    query: (name: string) => query[name] ?? null,
  });
  const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const header = { in: 'header' as const, name: 'x-token' };
  test.each([
    ['a bearer token', of({ authorization: 'bearer  s3cret-s3cret' }), bearer, 'right'],
    ['the previous secret', of({ authorization: 'Bearer previous' }), bearer, 'right'],
    ['another', of({ authorization: 'Bearer s3cret' }), bearer, 'wrong'],
    ['an empty one', of({ authorization: 'Bearer ' }), bearer, 'absent'],
    ["Basic's password", of({ authorization: encoded('ci:s3cret-s3cret') }), basic, 'right'],
    ['user and password as the secret', of({ authorization: encoded('robot:pass') }), basic, 'right'],
    ["Basic's user", of({ authorization: encoded('s3cret-s3cret:x') }), basic, 'wrong'],
    ['in the URL', of({}, { secret: 's3cret-s3cret' }), secretInUrl, 'right'],
    ['under another parameter', of({}, { token: 's3cret-s3cret' }), secretInUrl, 'absent'],
    ['a header', of({ 'x-token': 's3cret-s3cret' }), header, 'right'],
    ['a header that is not asked for', of({ authorization: 'Bearer s3cret-s3cret' }), header, 'absent'],
  ] as const)('%s: %#', (_, delivery, place, check) => {
    expect(checkToken(delivery, ['s3cret-s3cret', 'previous', 'robot:pass'], [place])).toBe(check);
  });
});
