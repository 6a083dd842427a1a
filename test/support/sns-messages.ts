import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const fixture = (name: string) => readFileSync(join(__dirname, '..', 'fixtures', 'sns', name), 'utf8');
const key = createPrivateKey(fixture('signer-key.pem'));

/** Within the hundred years of the fixture's certificate. */
export const SNS_NOW = '2030-01-01T00:00:00.000Z';
export const SNS_CERTIFICATE = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem';
export const SNS_TOPIC = 'arn:aws:sns:eu-west-1:123456789012:ecr';
export const snsCertificate = fixture('signer-certificate.pem');

const SIGNED = ['Message', 'MessageId', 'SubscribeURL', 'Subject', 'Timestamp', 'Token', 'TopicArn', 'Type'];

/** As SNS writes it, unsigned. */
export function snsNotification(message: string, fields: object = {}): object {
  return {
    ...{ Type: 'Notification', MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324', TopicArn: SNS_TOPIC },
    Message: message,
    ...{ Timestamp: SNS_NOW, SignatureVersion: '2', SigningCertURL: SNS_CERTIFICATE },
    UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe',
    ...fields,
  };
}

/** As SNS signs it; of fields that are no text, which SNS never sends, nothing is signed. */
export function signedBySns(message: object): object {
  const fields = message as Record<string, unknown>;
  const pairs = SIGNED.map((name) => (typeof fields[name] === 'string' ? `${name}\n${fields[name]}\n` : ''));
  const algorithm = fields['SignatureVersion'] === '1' ? 'RSA-SHA1' : 'RSA-SHA256';
  return { ...message, Signature: sign(algorithm, Buffer.from(pairs.join('')), key).toString('base64') };
}

export const snsHeaders = {
  ...{ 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': 'Notification' },
  'x-amz-sns-topic-arn': SNS_TOPIC,
};
