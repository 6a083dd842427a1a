import { z } from 'zod';
import { invalidInput } from '../problem';
import { AzurePush, readAzurePush } from './azure-push';
import {
  eventIdOf,
  isBatch,
  isStructured,
  parseBatch,
  parseCloudEvents,
  readData,
  structuredEvent,
  type CloudEvent,
} from './cloud-event';
import { hintText } from './given-text';
import type { Answer, Delivery, Source } from './kind';
import { UnreadableDelivery, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';
import { readTime } from './read-time';

const PUSHED = 'Microsoft.ContainerRegistry.ImagePushed';
const VALIDATION = 'Microsoft.EventGrid.SubscriptionValidationEvent';
/** Of the others of a registry's events, what they are called in the answer. */
const OTHERS: ReadonlyMap<string, string> = new Map([
  ['Microsoft.ContainerRegistry.ImageDeleted', 'delete'],
  ['Microsoft.ContainerRegistry.ChartPushed', 'push of a Helm chart'],
  ['Microsoft.ContainerRegistry.ChartDeleted', 'delete of a Helm chart'],
  ['Microsoft.EventGrid.SubscriptionDeletedEvent', 'end of the subscription'],
  [VALIDATION, 'validation'],
]);

const GridEvent = z.object({
  id: z.string().min(1),
  topic: hintText,
  subject: hintText,
  eventType: z.string().min(1),
  eventTime: hintText,
  data: z.unknown().optional(),
});

/** A list of events in Event Grid's schema, or CloudEvents in any mode. @throws UnreadableDelivery naming the field. */
export function readEventGrid(delivery: Delivery, source: Source): ParsedDelivery {
  const read = (event: CloudEvent) => readEvent(event, source);
  if (isCloudEvents(delivery)) return parseCloudEvents(delivery, read);
  const body = readJson(delivery.raw);
  if (Array.isArray(body)) return parseBatch(body, read, eventOf);
  const one = read(eventOf(body));
  return typeof one === 'string' ? { items: [], skipped: [one] } : { items: one, skipped: [] };
}

function isCloudEvents(delivery: Delivery): boolean {
  const { contentType } = delivery;
  return isStructured(contentType) || isBatch(contentType) || delivery.header('ce-specversion') !== null;
}

/** Both schemas come as `application/json` from some of its versions; each event says itself which it has. */
function eventOf(member: unknown, at = ''): CloudEvent {
  if (typeof member === 'object' && member !== null && Object.hasOwn(member, 'specversion'))
    return structuredEvent(member, at);
  const { id, topic, subject, eventType, eventTime, data } = readBody(GridEvent, member, at);
  const dataPath = at === '' ? 'data' : `${at}.data`;
  return { id, source: topic ?? '', type: eventType, subject, time: readTime(eventTime), data, dataPath };
}

function readEvent(event: CloudEvent, place: Source): DeliveryItem[] | string {
  if (event.type !== PUSHED) return OTHERS.get(event.type) ?? 'event of another type';
  const push = readData(AzurePush, event);
  const pushedAt = readTime(push.timestamp) ?? event.time;
  return readAzurePush(push, place, { eventId: eventIdOf(event, 'delivery'), pushedAt });
}

const Code = z.object({ validationCode: z.string().min(1).max(1000) });
/** In either schema. */
const Validation = z
  .object({ eventType: z.unknown().optional(), type: z.unknown().optional(), data: z.unknown().optional() })
  .refine((event) => event.eventType === VALIDATION || event.type === VALIDATION);

/**
 * The first delivery of a subscription, which only 200 with its code confirms; null for any other. Its `validationUrl` is never
 * fetched: whoever asks holds the secret already. @throws HttpProblem 422
 */
export function validationAnswer(delivery: Delivery): Answer | null {
  const asked = validationsIn(delivery);
  if (asked === null || asked.some((one) => one === null)) return null;
  const code = asked.find((one) => one?.code !== undefined)?.code;
  if (code === undefined) throw invalidInput([{ path: '0.data.validationCode', message: 'is needed, as a text' }]);
  return { status: 200, body: { validationResponse: code } };
}

/** The answer to a list that holds a validation beside other events: those are taken as ever, and it gets its code with it. */
export function withValidation(made: Answer, delivery: Delivery): Answer {
  const code = validationsIn(delivery)?.find((one) => one?.code !== undefined)?.code;
  return code === undefined
    ? made
    : { ...made, status: 200, body: { ...(made.body as object), validationResponse: code } };
}

/** Of each event its validation, or null for another event; null where none asks for one. */
function validationsIn({ raw }: Delivery): ({ code: string | undefined } | null)[] | null {
  // Every delivery passes here, and few are read twice.
  if (!raw.includes(VALIDATION)) return null;
  const asked = membersOf(raw).map((event) => {
    const validation = Validation.safeParse(event);
    return validation.success ? { code: Code.safeParse(validation.data.data).data?.validationCode } : null;
  });
  return asked.some((one) => one !== null) ? asked : null;
}

function membersOf(raw: Buffer): unknown[] {
  try {
    return [readJson(raw)].flat();
  } catch (error) {
    if (error instanceof UnreadableDelivery) return [];
    throw error;
  }
}
