import { X509Certificate, verify } from 'node:crypto';
import { z } from 'zod';
import { OutsideUnavailable, type Outside } from './outside';

/** Certificates are valid for a year and have a new address when they change. */
const CERTIFICATE_KEPT_MS = 86_400_000;
/** AWS's own documentation: a message older than an hour is to be taken for a replay. */
const FRESH_MS = 3_600_000;
const HOST = /^sns\.[a-z0-9-]{2,32}\.amazonaws\.com(?:\.cn)?$/;
const CERTIFICATE_PATH = /^\/[A-Za-z0-9._-]{1,200}\.pem$/;

const text = z.string().max(1_048_576);
/** What SNS posts: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html */
export const SnsMessage = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  MessageId: text,
  TopicArn: text,
  Message: text,
  Timestamp: text,
  Subject: text.nullish(),
  Token: text.nullish(),
  SubscribeURL: text.nullish(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: text,
  SigningCertURL: text,
});
export type SnsMessage = z.infer<typeof SnsMessage>;

/** Of a subscription's confirmation and of certificates alike: nothing else is ever fetched because a message names it. */
export function isSnsUrl(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, port, username, password } = new URL(address);
  return protocol === 'https:' && HOST.test(hostname) && port === '' && username === '' && password === '';
}

/**
 * Checks that SNS signed the message, and lately. Anyone can have SNS sign one, so the caller must allow the topic as well.
 * @returns null when it is right, else why not. @throws OutsideUnavailable
 */
export async function verifySnsMessage(message: SnsMessage, outside: Outside): Promise<string | null> {
  const { SigningCertURL: address, SignatureVersion: version, Timestamp: timestamp } = message;
  if (!isSnsUrl(address) || !CERTIFICATE_PATH.test(new URL(address).pathname) || new URL(address).search !== '')
    return "the certificate's address is none of SNS's";
  const age = outside.now().getTime() - Date.parse(timestamp);
  if (!(Math.abs(age) <= FRESH_MS)) return 'the message is older than an hour, or from the future';
  const certificate = readCertificate(address, await outside.text(address, CERTIFICATE_KEPT_MS));
  const now = outside.now();
  if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo))
    return 'the certificate is out of date';
  const algorithm = version === '1' ? 'RSA-SHA1' : 'RSA-SHA256';
  const signature = Buffer.from(message.Signature, 'base64');
  const signed = Buffer.from(signedText(message), 'utf8');
  return isRight(algorithm, signed, certificate, signature) ? null : 'the signature is wrong';
}

/** `Key\nValue\n` in the order of the keys' bytes. */
export function signedText(message: SnsMessage): string {
  const keys =
    message.Type === 'Notification'
      ? (['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const)
      : (['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const);
  return keys.map((key) => (message[key] == null ? '' : `${key}\n${message[key]}\n`)).join('');
}

function isRight(algorithm: string, signed: Buffer, { publicKey }: X509Certificate, signature: Buffer): boolean {
  return publicKey.asymmetricKeyType === 'rsa' && verify(algorithm, signed, publicKey, signature);
}

function readCertificate(address: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new OutsideUnavailable(`${address}: the certificate cannot be read`);
  }
}
