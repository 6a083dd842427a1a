import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { verifyToken } from '../../../src/api/verification/jwt';
import { createOutside, OutsideUnavailable } from '../../../src/api/verification/outside';
import { isSnsUrl, signedText, verifySnsMessage, type SnsMessage } from '../../../src/api/verification/sns-signature';

/** The world outside as a table of addresses, and how often each was asked for. */
function outsideOf(pages: Record<string, string>, start = '2026-01-01T00:00:00Z') {
  const clock = { now: new Date(start) };
  const asked: string[] = [];
  const outside = createOutside(
    (url) => {
      asked.push(url);
      const page = pages[url];
      return page === undefined ? Promise.reject(new Error('answered 404')) : Promise.resolve(page);
    },
    () => clock.now,
  );
  return { outside, asked, clock, pages };
}

describe('tokens of an issuer', () => {
  const issuer = 'https://accounts.example.com';
  const jwksUrl = 'https://keys.example.com/certs';
  const rules = { issuers: [{ issuer, jwksUrl }], audiences: ['https://fleet.example.com/hook'] };
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let stranger: Awaited<ReturnType<typeof generateKeyPair>>;
  let keySet: string;
  beforeAll(async () => {
    keys = await generateKeyPair('RS256', { extractable: true });
    stranger = await generateKeyPair('RS256', { extractable: true });
    keySet = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] });
  });
  const at = (text: string) => Math.floor(Date.parse(text) / 1000);
  const token = (claims: JWTPayload = {}, header: object = {}, key = keys.privateKey) =>
    new SignJWT({ iss: issuer, aud: rules.audiences[0]!, exp: at('2026-01-01T00:10:00Z'), email: 'a@b', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
      .sign(key);

  test('a right one passes with its claims, and its keys are fetched once', async () => {
    const { outside, asked } = outsideOf({ [jwksUrl]: keySet });
    for (let times = 0; times < 3; times += 1)
      expect(await verifyToken(await token(), rules, outside)).toMatchObject({
        verified: true,
        claims: { email: 'a@b' },
      });
    expect(asked).toEqual([jwksUrl]);
  });

  test.each<[string, () => Promise<string>]>([
    ['another audience', () => token({ aud: 'https://other.example.com' })],
    ['over', () => token({ exp: at('2025-12-31T23:58:00Z') })],
    ['without an end', () => token({ exp: undefined as never })],
    ['not yet valid', () => token({ nbf: at('2026-01-01T00:05:00Z') })],
    ["a stranger's key under the same id", () => token({}, {}, stranger.privateKey)],
    ['no token', () => Promise.resolve('a.b.c')],
    ['cut short', async () => (await token()).slice(0, -4)],
    [
      'signed with the public key as a secret',
      async () =>
        new SignJWT({ iss: issuer, aud: rules.audiences[0]! })
          .setProtectedHeader({ alg: 'HS256', kid: 'one' })
          .sign(Buffer.from(keySet)),
    ],
    [
      'unsigned',
      () =>
        Promise.resolve(
          `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: issuer, aud: rules.audiences[0], exp: 9e9 })).toString('base64url')}.`,
        ),
    ],
  ])('refused: %s', async (_, make) => {
    const { outside } = outsideOf({ [jwksUrl]: keySet });
    expect((await verifyToken(await make(), rules, outside)).verified).toBe(false);
  });

  test('an issuer that is not allowed is never asked for keys', async () => {
    const { outside, asked } = outsideOf({});
    expect((await verifyToken(await token({ iss: 'https://evil.example.com' }), rules, outside)).verified).toBe(false);
    expect(asked).toEqual([]);
  });

  test('an unknown key is looked for again, but not for every token; a rotated one is found', async () => {
    const { outside, asked, clock, pages } = outsideOf({ [jwksUrl]: keySet });
    const unknown = await token({}, { kid: 'two' }, stranger.privateKey);
    for (let times = 0; times < 5; times += 1)
      expect((await verifyToken(unknown, rules, outside)).verified).toBe(false);
    expect(asked).toHaveLength(1);
    pages[jwksUrl] = JSON.stringify({ keys: [{ ...(await exportJWK(stranger.publicKey)), kid: 'two' }] });
    clock.now = new Date('2026-01-01T00:00:31Z');
    expect((await verifyToken(unknown, rules, outside)).verified).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test('keys are found by discovery, of this issuer only; what cannot be fetched is no refusal', async () => {
    const discovery = `${issuer}/.well-known/openid-configuration`;
    const found = { ...rules, issuers: [{ issuer }] };
    const pages = { [jwksUrl]: keySet, [discovery]: JSON.stringify({ issuer, jwks_uri: jwksUrl }) };
    expect((await verifyToken(await token(), found, outsideOf(pages).outside)).verified).toBe(true);
    for (const body of [
      JSON.stringify({ issuer: 'https://other.example.com', jwks_uri: jwksUrl }),
      JSON.stringify({ issuer, jwks_uri: 'http://169.254.169.254/' }),
      'no json',
    ])
      await expect(
        verifyToken(await token(), found, outsideOf({ ...pages, [discovery]: body }).outside),
      ).rejects.toThrow(OutsideUnavailable);
    await expect(verifyToken(await token(), rules, outsideOf({}).outside)).rejects.toThrow(OutsideUnavailable);
  });
});

describe('messages of SNS', () => {
  const fixture = (name: string) => readFileSync(join(__dirname, '../../fixtures/sns', name), 'utf8');
  const key = createPrivateKey(fixture('signer-key.pem'));
  const certificateUrl = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem';
  const pages = { [certificateUrl]: fixture('signer-certificate.pem') };
  // Within the hundred years of the fixture's certificate.
  const time = '2030-01-01T00:00:00.000Z';
  const outside = () => outsideOf(pages, time);

  function signed(change: Partial<SnsMessage> = {}): SnsMessage {
    const message: SnsMessage = {
      ...{
        Type: 'Notification',
        MessageId: 'm-1',
        TopicArn: 'arn:aws:sns:eu-west-1:1:ecr',
        Message: '{"a":"ü\\n"}',
        Timestamp: time,
      },
      ...{ SignatureVersion: '2', Signature: '', SigningCertURL: certificateUrl },
      ...change,
    };
    const algorithm = message.SignatureVersion === '1' ? 'RSA-SHA1' : 'RSA-SHA256';
    return { ...message, Signature: sign(algorithm, Buffer.from(signedText(message)), key).toString('base64') };
  }

  test.each<[string, Partial<SnsMessage>]>([
    ['version 1', { SignatureVersion: '1' }],
    ['version 2', {}],
    ['with a subject', { Subject: 'Hello' }],
    [
      'a confirmation',
      {
        Type: 'SubscriptionConfirmation',
        Token: 't',
        SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription',
      },
    ],
  ])('%s passes, and the certificate is fetched once', async (_, change) => {
    const world = outside();
    expect(await verifySnsMessage(signed(change), world.outside)).toBeNull();
    expect(await verifySnsMessage(signed(change), world.outside)).toBeNull();
    expect(world.asked).toEqual([certificateUrl]);
  });

  test('what is signed is what the documentation says', () => {
    expect(signedText(signed({ Message: 'M', Subject: 'S' }))).toBe(
      `Message\nM\nMessageId\nm-1\nSubject\nS\nTimestamp\n${time}\nTopicArn\narn:aws:sns:eu-west-1:1:ecr\nType\nNotification\n`,
    );
  });

  test.each<[string, SnsMessage]>([
    ['another message', { ...signed(), Message: 'x' }],
    ['another topic', { ...signed(), TopicArn: 'arn:aws:sns:eu-west-1:2:x' }],
    ['a subject put beside it', { ...signed(), Subject: 'x' }],
    ['the other version', { ...signed(), SignatureVersion: '1' }],
    ['no signature', { ...signed(), Signature: '' }],
    ['an hour and a second old', signed({ Timestamp: '2029-12-31T22:59:59.000Z' })],
    ['no time', signed({ Timestamp: 'yesterday' })],
  ])('refused: %s', async (_, message) => {
    expect(await verifySnsMessage(message, outside().outside)).toEqual(expect.any(String));
  });

  test.each([
    'https://sns.eu-west-1.amazonaws.com.evil.com/a.pem',
    'https://evil.com/sns.eu-west-1.amazonaws.com/a.pem',
    'http://sns.eu-west-1.amazonaws.com/a.pem',
    'https://sns.eu-west-1.amazonaws.com:8443/a.pem',
    'https://sns.eu-west-1.amazonaws.com@evil.com/a.pem',
    'https://x@sns.eu-west-1.amazonaws.com/a.pem',
    'https://s3.eu-west-1.amazonaws.com/a.pem',
    'https://sns.eu-west-1.amazonaws.com/a.pem?x=1',
    'https://sns.eu-west-1.amazonaws.com/x/a.pem',
    'file:///etc/passwd',
    'no url',
  ])('a certificate is never fetched from %s', async (url) => {
    const world = outside();
    expect(await verifySnsMessage(signed({ SigningCertURL: url }), world.outside)).toContain("certificate's address");
    expect(world.asked).toEqual([]);
  });

  test('China has hosts of its own, and a certificate that is away is no refusal', async () => {
    expect(isSnsUrl('https://sns.cn-north-1.amazonaws.com.cn/x.pem')).toBe(true);
    await expect(verifySnsMessage(signed(), outsideOf({}, time).outside)).rejects.toThrow(OutsideUnavailable);
  });
});
