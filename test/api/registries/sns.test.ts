import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, dockerHubBody } from '../../support/intake';
import { outsidePages } from '../../support/outside-pages';
import {
  bearer,
  brokenBodies,
  expectNothingPushed,
  expectRefused,
  expectUnreadable,
  expectUnusable,
  forgetDeliveries,
  PREVIOUS,
  pushOf,
  SECRET,
  startRegistryRig,
  understood,
  WRONG,
  type Headers,
  type RegistryRig,
} from '../../support/registry-deliveries';

const fixture = (name: string) => readFileSync(join(__dirname, '../../fixtures/sns', name), 'utf8');
const key = createPrivateKey(fixture('signer-key.pem'));
// Within the hundred years of the fixture's certificate.
const NOW = '2030-01-01T00:00:00.000Z';
const CERTIFICATE = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem';
const SUBSCRIBE = 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37';
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:ecr';
const MESSAGE = '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324';
const ID = '1c2d0000-0000-4000-8000-000000000001';
const world = outsidePages(NOW);
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig({ outside: world.outside });
  await rig.source('sns', { kind: 'sns', options: { topic_arns: ['arn:aws:sns:eu-west-1:1:other', TOPIC] } });
});
beforeEach(async () => {
  await forgetDeliveries(rig);
  world.asked.length = 0;
  Object.assign(world.pages, {
    [CERTIFICATE]: fixture('signer-certificate.pem'),
    [SUBSCRIBE]: '<ConfirmSubscriptionResponse/>',
  });
});
afterAll(() => rig.close());

const ecrEvent = (detail: object = {}): object => ({
  ...{ version: '0', id: ID, 'detail-type': 'ECR Image Action', source: 'aws.ecr', account: '123456789012' },
  ...{ time: '2026-01-01T00:00:00Z', region: 'eu-west-1', resources: [] },
  detail: {
    ...{ result: 'SUCCESS', 'repository-name': 'team/api', 'image-digest': digestOf('a'), 'action-type': 'PUSH' },
    ...{ 'image-tag': '1.4.2', ...detail },
  },
});
const push = {
  ...{ registry: '123456789012.dkr.ecr.eu-west-1.amazonaws.com', repository: 'team/api', tag: '1.4.2' },
  ...{ digest: digestOf('a'), event_id: ID },
};

type Fields = Record<string, string | null>;
const SIGNED = ['Message', 'MessageId', 'SubscribeURL', 'Subject', 'Timestamp', 'Token', 'TopicArn', 'Type'];

/** As SNS writes and signs it. */
function notification(message: object | string, fields: Fields = {}): Fields {
  return signed({
    ...{ Type: 'Notification', MessageId: MESSAGE, TopicArn: TOPIC },
    Message: typeof message === 'string' ? message : JSON.stringify(message),
    ...{ Timestamp: NOW, SignatureVersion: '2', SigningCertURL: CERTIFICATE },
    UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe',
    ...fields,
  });
}

function confirmation(fields: Fields = {}): Fields {
  const asked = { Type: 'SubscriptionConfirmation', Token: '2336412f37', SubscribeURL: SUBSCRIBE };
  return notification('You have chosen to subscribe to the topic.', { ...asked, ...fields });
}

function signed(message: Fields): Fields {
  const pairs = SIGNED.flatMap((name) => (message[name] == null ? [] : [`${name}\n${message[name]}\n`]));
  const algorithm = message['SignatureVersion'] === '1' ? 'RSA-SHA1' : 'RSA-SHA256';
  return { ...message, Signature: sign(algorithm, Buffer.from(pairs.join('')), key).toString('base64') };
}

function deliver(body: string | Buffer | Fields | object, source = 'sns', headers: Headers = {}, query = '') {
  const type = (body as Fields)['Type'] ?? 'Notification';
  const own = { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': type };
  return rig.deliver(source, body, { ...own, 'x-amz-sns-topic-arn': TOPIC, ...headers }, query);
}
const raw = { 'x-amz-sns-rawdelivery': 'true', 'x-amz-sns-message-id': MESSAGE };

describe('a notification', () => {
  test.each<[string, Fields]>([
    ['version 1', { SignatureVersion: '1' }],
    ['version 2', {}],
    ['a subject', { Subject: 'ECR Image Action' }],
    ['a subject that is null', { Subject: null }],
  ])('with %s brings the event of ECR', async (_, fields) => {
    expect(understood(await deliver(notification(ecrEvent(), fields)))).toEqual(pushOf(push));
  });

  test.each(['', 'application/json'])('is taken under the type "%s"', async (type) => {
    const reply = await deliver(notification(ecrEvent()), 'sns', { 'content-type': type });
    expect(understood(reply)).toEqual(pushOf(push));
  });

  test('is known again by the id of its event, over retries and two messages', async () => {
    for (const MessageId of [MESSAGE, MESSAGE, 'of-another-subscription'])
      await deliver(notification(ecrEvent(), { MessageId }));
    const { rows } = await rig.database.pool.query('select delivery_key, times_received from webhook_deliveries');
    expect(rows).toEqual([{ delivery_key: `event:${ID}`, times_received: 3 }]);
  });

  test('brings what another kind sends, with the id of its message where that has none', async () => {
    await rig.source('hub', { kind: 'sns', options: { topic_arns: [TOPIC], message_kind: 'dockerhub' } });
    const reply = await deliver(notification(dockerHubBody('redis', '7')), 'hub');
    const redis = { registry: 'docker.io', repository: 'library/redis', tag: '7', event_id: MESSAGE };
    expect(understood(reply)).toEqual(pushOf(redis));
    const pushed = (tag: string) => ({ digest: digestOf('a'), tag, resource_url: 'harbor.acme.io/a/b:1' });
    const harbor = {
      type: 'PUSH_ARTIFACT',
      event_data: { resources: [pushed('1'), pushed('2')], repository: { repo_full_name: 'a/b' } },
    };
    await rig.source('harbor', { kind: 'sns', options: { topic_arns: [TOPIC], message_kind: 'harbor' } });
    const ids = understood(await deliver(notification(harbor), 'harbor')).results.map((one) => one.event_id);
    expect(ids).toEqual([MESSAGE, MESSAGE]);
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(3);
  });

  test('that is about something else is no push', async () => {
    await expectNothingPushed(rig, await deliver(notification(ecrEvent({ 'action-type': 'DELETE' }))), 'DELETE');
  });

  test('of a tag that is a digest is recorded, and never rolled out', async () => {
    expectUnusable(await deliver(notification(ecrEvent({ 'image-tag': digestOf('b') }))), 'under no tag');
  });

  test.each<[string, object | string, string]>([
    ['text', 'ECR has pushed', 'Message'],
    ['half an event', JSON.stringify(ecrEvent()).slice(0, -1), 'Message'],
    ['a tag that is a number', ecrEvent({ 'image-tag': 7 }), 'Message.detail.image-tag'],
    ['an event in an event', JSON.stringify(JSON.stringify(ecrEvent())), 'Message'],
  ])('of %s is 422 naming the field', async (_, message, path) => {
    expectUnreadable(await deliver(notification(message)), path);
  });

  test.each<[string, () => Fields]>([
    ['of another topic', () => notification(ecrEvent(), { TopicArn: `${TOPIC}2` })],
    ['with another message', () => ({ ...notification(ecrEvent()), Message: '{}' })],
    ['with a subject put beside it', () => ({ ...notification(ecrEvent()), Subject: 'x' })],
    ['whose signature is of the other version', () => ({ ...notification(ecrEvent()), SignatureVersion: '1' })],
    ['of a version that there is not', () => notification(ecrEvent(), { SignatureVersion: '3' })],
    ['without a signature', () => ({ ...notification(ecrEvent()), Signature: '' })],
    ['from two hours ago', () => notification(ecrEvent(), { Timestamp: '2029-12-31T22:00:00.000Z' })],
    [
      'with a certificate from elsewhere',
      () => notification(ecrEvent(), { SigningCertURL: 'https://evil.example.com/a.pem' }),
    ],
    [
      'with a certificate from a bucket',
      () => notification(ecrEvent(), { SigningCertURL: 'https://s3.eu-west-1.amazonaws.com/sns/a.pem' }),
    ],
  ])('%s is 401 without a hint', async (_, make) => {
    await expectRefused(rig, await deliver(make()));
    // The certificate was fetched by an earlier test, and nothing else ever is.
    expect(world.asked.filter((url) => url !== CERTIFICATE)).toEqual([]);
  });

  test('503 while its certificate cannot be had', async () => {
    const SigningCertURL = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-4567.pem';
    expect((await deliver(notification(ecrEvent(), { SigningCertURL }))).status).toBe(503);
    world.pages[SigningCertURL] = fixture('signer-certificate.pem');
    expect((await deliver(notification(ecrEvent(), { SigningCertURL }))).status).toBe(202);
  });
});

test.each(brokenBodies)('%s proves nothing', async (_, body) => {
  await expectRefused(rig, await deliver(body));
});

describe('a subscription', () => {
  test.each(['1', '2'])('is confirmed by its address: version %s', async (SignatureVersion) => {
    const reply = await deliver(confirmation({ SignatureVersion }));
    expect([reply.status, reply.json.message]).toEqual([200, expect.stringContaining(TOPIC)]);
    expect(world.asked.filter((url) => url !== CERTIFICATE)).toEqual([SUBSCRIBE]);
    expect((await rig.database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
  });

  test('is asked to be sent again while its address does not answer', async () => {
    const reply = await deliver(confirmation({ SubscribeURL: `${SUBSCRIBE}2` }));
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '30']);
  });

  test.each<[string, () => Fields]>([
    ["a stranger's topic", () => confirmation({ TopicArn: 'arn:aws:sns:eu-west-1:999999999999:evil' })],
    ['an address put into it', () => ({ ...confirmation(), SubscribeURL: 'https://evil.example.com/' })],
    ['no signature', () => ({ ...confirmation(), Signature: 'AAAA' })],
  ])('with %s is refused, and nothing is asked for', async (_, make) => {
    await expectRefused(rig, await deliver(make()));
    expect(world.asked.filter((url) => url !== CERTIFICATE)).toEqual([]);
  });

  test.each<[string, Fields]>([
    ['elsewhere', { SubscribeURL: 'https://sns.eu-west-1.amazonaws.com.evil.example.com/' }],
    ['on this machine', { SubscribeURL: 'http://127.0.0.1:8080/' }],
    ['nowhere', { SubscribeURL: null }],
  ])('is never confirmed %s, whoever signed it', async (_, fields) => {
    expectUnreadable(await deliver(confirmation(fields)), 'SubscribeURL');
    expect(world.asked.filter((url) => url !== CERTIFICATE)).toEqual([]);
  });

  test('that ends is not taken up again', async () => {
    const ended = confirmation({ Type: 'UnsubscribeConfirmation' });
    await expectNothingPushed(rig, await deliver(ended), 'UnsubscribeConfirmation');
    expect(world.asked).not.toContain(SUBSCRIBE);
  });

  test('of a source that asks for no proof is checked all the same', async () => {
    await rig.source('open', { kind: 'sns', allow_unsigned: true, options: { topic_arns: [TOPIC] } });
    expect((await deliver({ ...confirmation(), Signature: '' }, 'open')).status).toBe(401);
    expect(world.asked).not.toContain(SUBSCRIBE);
    expect((await deliver(confirmation(), 'open')).status).toBe(200);
    expect((await deliver({ ...notification(ecrEvent()), Signature: '' }, 'open')).status).toBe(202);
  });
});

describe('raw message delivery', () => {
  beforeAll(() => rig.source('raw', { kind: 'sns', secrets: [SECRET, PREVIOUS], options: { topic_arns: [TOPIC] } }));

  test.each([SECRET, PREVIOUS])('is taken with either secret', async (secret) => {
    const reply = await deliver(ecrEvent(), 'raw', raw, `?secret=${secret}`);
    expect(understood(reply)).toEqual(pushOf(push));
  });

  test.each<[string, Headers, string]>([
    ['no secret', raw, ''],
    ['another secret', raw, `?secret=${WRONG}`],
    ['another topic', { ...raw, 'x-amz-sns-topic-arn': `${TOPIC}2` }, `?secret=${SECRET}`],
  ])('is 401 with %s', async (_, headers, query) => {
    await expectRefused(rig, await deliver(ecrEvent(), 'raw', headers, query));
  });

  test('is refused where no secret is configured, and a secret does not stand for a signature', async () => {
    await expectRefused(rig, await deliver(ecrEvent(), 'sns', { ...raw, ...bearer() }));
    const unsigned = { ...notification(ecrEvent()), Signature: '' };
    await expectRefused(rig, await deliver(unsigned, 'raw', {}, `?secret=${SECRET}`));
  });

  test('without topics a secret lets everything in but subscriptions', async () => {
    await rig.source('secret', { kind: 'sns', secrets: [SECRET] });
    const query = `?secret=${SECRET}`;
    expect((await deliver(ecrEvent(), 'secret', raw, query)).status).toBe(202);
    expect((await deliver(notification(ecrEvent()), 'secret', {}, query)).json.outcome).toBe('no_matching_policy');
    expect((await deliver(confirmation(), 'secret', {}, query)).status).toBe(401);
    expect(world.asked).toEqual([]);
  });
});

test.each<[string, object, string]>([
  ['neither topics nor secrets', {}, 'secrets'],
  ['a topic that is none', { topic_arns: ['ecr'] }, 'options.topic_arns.0'],
  ['a kind that is not known', { topic_arns: [TOPIC], message_kind: 'sns' }, 'options.message_kind'],
  [
    "an option that the message's kind does not have",
    { topic_arns: [TOPIC], message_options: { x: 1 } },
    'options.message_options',
  ],
])('a source with %s is refused', async (_, options, path) => {
  expectUnreadable(await rig.admin('PUT', '/api/v1/webhook-sources/none', { kind: 'sns', options }), path);
});
