import { z } from 'zod';
import { HttpProblem, invalidInput } from '../problem';
import { OutsideUnavailable, type Outside } from '../verification/outside';
import { basic, bearer, checkToken, secretInUrl } from '../verification/shared-token';
import { isSnsUrl, SnsMessage, verifySnsMessage } from '../verification/sns-signature';
import { anyJson, MEBIBYTE, type Answer, type Delivery, type RegistryKind, type Source } from './kind';
import { readJson } from './read-body';
import { carriedKind, parseSns, type CarriedOptions } from './sns-message';

const TopicArn = z
  .string()
  .max(512)
  .regex(
    /^arn:[^\s:]+:sns:[^\s:]+:[^\s:]+:[^\s:]+$/,
    'must be the ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:ecr',
  );

export interface SnsOptions extends CarriedOptions {
  topic_arns: string[];
}

/** Amazon SNS, with what one of `carried` sends in its messages. */
export function sns(carried: readonly RegistryKind[]): RegistryKind<SnsOptions> {
  const Options = z
    .strictObject({
      /** Anyone can have SNS sign a message: these topics' alone are taken. */
      topic_arns: z.array(TopicArn).max(50).default([]),
      message_kind: z.string().default('ecr'),
      message_content_type: z.string().max(100).default('application/json'),
      message_options: z.record(z.string(), z.unknown()).default({}),
    })
    .superRefine(({ message_kind: name, message_options: options }, context) => {
      const kind = carriedKind(carried, name);
      const names = carried.map((one) => one.name).join(', ');
      if (kind === undefined)
        context.addIssue({ code: 'custom', path: ['message_kind'], message: `must be one of ${names}` });
      for (const { path, message } of kind?.options.safeParse(options).error?.issues ?? [])
        context.addIssue({ code: 'custom', path: ['message_options', ...path], message });
    });
  return {
    name: 'sns',
    title: 'Amazon SNS, with the messages of another kind',
    contentTypes: [...anyJson, 'text/plain'],
    // A message is 256 KiB at most, before what is quoted in it is escaped.
    limitBytes: MEBIBYTE,
    methods: [],
    proof: 'own',
    proofInWords:
      "SNS's signature, of a topic that the option topic_arns lists; for raw message delivery, which is not signed, the secret in the URL as ?secret=<secret>",
    options: Options,
    expects({ options: { topic_arns: topics }, secrets }) {
      if (topics.length === 0) return null;
      const raw = secrets.length === 0 ? '' : "; or, of raw message delivery, which is not signed, the source's secret";
      return `a message that SNS has signed lately, of a topic in the source's option "topic_arns" (${topics.join(', ')})${raw}`;
    },
    provesItself: ({ topic_arns: topics }) => topics.length > 0,
    // It repeats 429 and 5xx; any other 4xx is final.
    answers: { deadlineMs: 15_000, unreadable: 'refuse', notApproved: 403 },
    repeatWindowSeconds: null,
    async verify(delivery, source, outside) {
      const why = await doubtAbout(delivery, source, outside);
      return why === null ? { verified: true } : { verified: false, why };
    },
    handshake: (delivery, source, outside) => confirmSubscription(delivery, source, outside),
    read: (delivery, source) => parseSns(delivery, source, carried),
  };
}

/** Null where the delivery proves itself. @throws OutsideUnavailable */
async function doubtAbout(delivery: Delivery, source: Source<SnsOptions>, outside: Outside): Promise<string | null> {
  const topics = source.options.topic_arns;
  const isRaw = delivery.header('x-amz-sns-rawdelivery') === 'true';
  const message = isRaw ? null : messageIn(delivery);
  const isSigned = !isRaw && (topics.length > 0 || message?.Type === 'SubscriptionConfirmation');
  if (isSigned) return message === null ? 'it is no message of SNS' : doubtAboutMessage(message, topics, outside);
  const topic = delivery.header('x-amz-sns-topic-arn');
  if (topics.length > 0 && topic !== null && !topics.includes(topic)) return 'its topic is none of topic_arns';
  const check = checkToken(delivery, source.secrets, [secretInUrl, basic, bearer]);
  return check === 'right' ? null : `it is not signed, and the secret is ${check}`;
}

async function doubtAboutMessage(
  message: SnsMessage,
  topics: readonly string[],
  outside: Outside,
): Promise<string | null> {
  // First, so that a stranger's topic makes nobody fetch a certificate.
  if (!topics.includes(message.TopicArn)) return 'its topic is none of topic_arns';
  return verifySnsMessage(message, outside);
}

function messageIn({ raw }: Delivery): SnsMessage | null {
  try {
    return SnsMessage.safeParse(readJson(raw)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * Confirms a subscription of an allowed topic, by asking for the address that SNS signed. It is checked here once more,
 * because what a source without proof lets in must make nobody fetch anything. The confirmation of an end
 * (`UnsubscribeConfirmation`) holds the same address, which would take the end back: it is never asked for.
 */
async function confirmSubscription(
  delivery: Delivery,
  { options }: Source<SnsOptions>,
  outside: Outside,
): Promise<Answer | null> {
  if (delivery.header('x-amz-sns-rawdelivery') === 'true') return null;
  const message = messageIn(delivery);
  if (message?.Type !== 'SubscriptionConfirmation') return null;
  const { SubscribeURL: address } = message;
  try {
    const why = await doubtAboutMessage(message, options.topic_arns, outside);
    if (why !== null)
      throw new HttpProblem(401, 'webhook-not-authenticated', 'the delivery is not authenticated', {
        forTheLog: `the subscription was not confirmed: ${why}`,
      });
    if (address == null || !isSnsUrl(address))
      throw invalidInput([{ path: 'SubscribeURL', message: "must be an address of SNS's" }]);
    await outside.text(address, 0);
  } catch (error) {
    if (!(error instanceof OutsideUnavailable)) throw error;
    throw new HttpProblem(503, 'subscription-not-confirmed', 'the subscription cannot be confirmed now: try again', {
      headers: { 'retry-after': '30' },
      forTheLog: `the subscription cannot be confirmed now: ${error.message}`,
    });
  }
  return { status: 200, body: { message: `The subscription to ${message.TopicArn} is confirmed` } };
}
