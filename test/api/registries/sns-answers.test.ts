import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createListener } from '../../../src/api/app';
import { closeServer, listen } from '../../../src/api/server';
import { addPolicy, digestOf } from '../../support/intake';
import { outsidePages } from '../../support/outside-pages';
import { forgetDeliveries, startRegistryRig, type RegistryRig } from '../../support/registry-deliveries';
import { relayedPool, type RelayedPool } from '../../support/relayed-pool';
import {
  SNS_CERTIFICATE,
  SNS_NOW,
  SNS_TOPIC,
  signedBySns,
  snsCertificate,
  snsHeaders,
  snsNotification,
} from '../../support/sns-messages';

/** https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html: 429 and 5xx are repeated, other 4xx are final. */
const isRepeated = (status: number) => status === 429 || status >= 500;
/** As often as SNS's default policy for HTTP tries at first; what it is answered each time. */
const TRIES = 4;

const world = outsidePages(SNS_NOW, { [SNS_CERTIFICATE]: snsCertificate });
let rig: RegistryRig;
let database: RelayedPool;
let server: Server;
let url: string;

beforeAll(async () => {
  rig = await startRegistryRig({ outside: world.outside });
  database = await relayedPool(rig.database.url);
  server = createServer(createListener({ ...rig.deps, pool: database.pool }));
  url = await listen(server, 0, '127.0.0.1');
  await rig.source('sns', { kind: 'sns', options: { topic_arns: [SNS_TOPIC] } });
  const host = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
  await addPolicy(rig.database.pool, `${host}/team/api:*`);
  await addPolicy(rig.database.pool, `${host}/team/approved:*`, { requires_approved_image: true });
});
beforeEach(() => forgetDeliveries(rig));
afterAll(async () => {
  await closeServer(server, 1000);
  await database.close();
  await rig.close();
});

const ecrEvent = (detail: object = {}): object => ({
  ...{ version: '0', id: 'the-event', 'detail-type': 'ECR Image Action', source: 'aws.ecr', account: '123456789012' },
  ...{ time: SNS_NOW, region: 'eu-west-1', resources: [] },
  detail: {
    ...{ result: 'SUCCESS', 'action-type': 'PUSH', 'repository-name': 'team/api' },
    ...{ 'image-digest': digestOf('a'), 'image-tag': '1.4.2', ...detail },
  },
});
const message = (event: object | string, fields: object = {}): object =>
  signedBySns(snsNotification(typeof event === 'string' ? event : JSON.stringify(event), fields));

/** Sends the message as SNS does, until its policy has it sent no more; `between` is what happens after each answer. */
async function deliver(sent: object, between: (tries: number) => Promise<void> = () => Promise.resolve()) {
  const statuses: number[] = [];
  let text = '';
  do {
    const raw = JSON.stringify(sent);
    const answer = await fetch(`${url}/api/v1/webhooks/sns`, { method: 'POST', headers: snsHeaders, body: raw });
    text = await answer.text();
    statuses.push(answer.status);
    await between(statuses.length);
  } while (isRepeated(statuses.at(-1) ?? 0) && statuses.length < TRIES);
  return { statuses, outcome: (JSON.parse(text) as { outcome?: string }).outcome };
}
const stored = async () =>
  (await rig.database.pool.query('select times_received from webhook_deliveries')).rows as unknown[];
const rollouts = async () => (await rig.database.pool.query('select from image_rollouts')).rowCount;

describe('what will never work is sent once', () => {
  test.each<[string, () => object, number]>([
    ['an event about something else', () => message(ecrEvent({ 'action-type': 'DELETE' })), 200],
    ["a signature's tag", () => message(ecrEvent({ 'image-tag': `sha256-${'a'.repeat(64)}.sig` })), 200],
    ['an image that no policy matches', () => message(ecrEvent({ 'repository-name': 'nobody/asked' })), 202],
    ['an image that waits for approval', () => message(ecrEvent({ 'repository-name': 'team/approved' })), 403],
    ['a message that is no JSON', () => message('You have mail'), 422],
    ['an event without what it is about', () => message({ source: 'aws.ecr' }), 422],
    ["a stranger's topic", () => message(ecrEvent(), { TopicArn: 'arn:aws:sns:eu-west-1:1:theirs' }), 401],
    ['a message that was changed on its way', () => ({ ...message(ecrEvent()), Subject: 'changed' }), 401],
    ['a message that has become too old', () => message(ecrEvent(), { Timestamp: '2029-12-31T22:00:00.000Z' }), 401],
    ['a body that is too large', () => message(ecrEvent({ padding: 'x'.repeat(1_100_000) })), 413],
  ])('%s', async (_, sent, status) => {
    expect((await deliver(sent())).statuses).toEqual([status]);
    expect(await rollouts()).toBe(0);
  });
});

describe('what was not stored is sent again, and arrives', () => {
  test('PostgreSQL was away', async () => {
    await database.cut();
    const sent = message(ecrEvent());
    const { statuses, outcome } = await deliver(sent, (tries) => (tries === 2 ? database.mend() : Promise.resolve()));
    expect([statuses, outcome]).toEqual([[503, 503, 202], 'started']);
    expect([await stored(), await rollouts()]).toEqual([[{ times_received: 1 }], 1]);
    // An answer that was lost on its way back has it sent once more.
    expect(await deliver(sent)).toEqual({ statuses: [202], outcome: 'duplicate' });
    expect([await stored(), await rollouts()]).toEqual([[{ times_received: 2 }], 1]);
  });

  test('the certificate could not be had', async () => {
    const other = SNS_CERTIFICATE.replace('0123', '4567');
    const { statuses, outcome } = await deliver(message(ecrEvent(), { SigningCertURL: other }), () => {
      world.pages[other] = snsCertificate;
      return Promise.resolve();
    });
    expect([statuses, outcome, await rollouts()]).toEqual([[503, 202], 'started', 1]);
  });

  test('a confirmation whose address did not answer', async () => {
    const address = 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1';
    const asked = { Type: 'SubscriptionConfirmation', Token: '1', SubscribeURL: address };
    const { statuses } = await deliver(message('You have chosen to subscribe.', asked), () => {
      world.pages[address] = '<ConfirmSubscriptionResponse/>';
      return Promise.resolve();
    });
    expect(statuses).toEqual([503, 200]);
    expect(world.asked.filter((page) => page === address)).toHaveLength(2);
  });
});
