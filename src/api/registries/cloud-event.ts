import { z } from 'zod';
import { readBinaryEvent } from './cloud-event-headers';
import { eventIdentity } from './event-identity';
import type { Delivery } from './kind';
import { UnreadableDelivery, unusablePush, type DeliveryItem, type ParsedDelivery } from './push';
import { parseJson, readBody, readJson, readText } from './read-body';
import { readTime } from './read-time';

/** One CloudEvent 1.x, in whichever of the three modes it came. https://github.com/cloudevents/spec/blob/v1.0.2 */
export interface CloudEvent {
  /** Unique within `source`. */
  id: string;
  source: string;
  type: string;
  subject: string | null;
  /** ISO 8601; null where there is none, or one that is none. */
  time: string | null;
  /** As JSON; undefined where there is none. */
  data: unknown;
  /** Where `data` stands, to name its fields: `data`, behind its place in a batch, or nothing in binary mode. */
  dataPath: string;
}

const required = z.string().min(1);
/** JSON's null is an attribute that is not set. */
const optional = z.string().nullish();
const Attributes = z.object({
  specversion: z.string().regex(/^1\.\d+$/, 'is not 1.0, the only version that is read'),
  id: required,
  source: required,
  type: required,
  subject: optional,
  // Only a hint, so one that is none is no reason to refuse the event.
  time: optional.catch(null),
  data: z.unknown().optional(),
  data_base64: optional,
});

/**
 * As many as Event Grid, the largest of the senders, puts into one delivery. All are judged in one transaction, and PostgreSQL
 * has some 6,400 locks for the tags of all.
 */
const MOST_EVENTS = 5000;

/**
 * Reads a delivery's events by `read`, which gives each one's pushes, or says what it was about instead. An event of a batch
 * that cannot be read is recorded with its reason and does not hold back its neighbours; a single one is refused.
 * @throws UnreadableDelivery
 */
export function parseCloudEvents(
  delivery: Delivery,
  read: (event: CloudEvent) => DeliveryItem[] | string,
): ParsedDelivery {
  if (isBatch(delivery.contentType)) return parseBatch(readBody(z.array(z.unknown()), readJson(delivery.raw)), read);
  return collect([read(readCloudEvent(delivery))]);
}

/** The same of a batch's members. `readMember` may read what stands in it otherwise. @throws UnreadableDelivery */
export function parseBatch(
  members: readonly unknown[],
  read: (event: CloudEvent) => DeliveryItem[] | string,
  readMember = structuredEvent,
): ParsedDelivery {
  if (members.length > MOST_EVENTS)
    throw new UnreadableDelivery('', `the list has ${members.length} events, and at most ${MOST_EVENTS} are read`);
  return collect(
    members.map((member, index) => {
      try {
        return read(readMember(member, String(index)));
      } catch (error) {
        if (!(error instanceof UnreadableDelivery)) throw error;
        const reason = `cannot be read: ${error.path}: ${error.message}`;
        return [unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason })];
      }
    }),
  );
}

/** The one event of a delivery that is no batch. @throws UnreadableDelivery naming the attribute, or its header. */
function readCloudEvent(delivery: Delivery): CloudEvent {
  if (isStructured(delivery.contentType)) return structuredEvent(readJson(delivery.raw));
  const attributes = binaryAttributes(delivery);
  const text = readText(delivery.raw);
  return { ...eventOf(attributes), data: text === '' ? undefined : parseJson(text), dataPath: '' };
}

function binaryAttributes(delivery: Delivery): z.output<typeof Attributes> {
  const headers = readBinaryEvent(delivery);
  if (headers['specversion'] === undefined)
    throw new UnreadableDelivery(
      'ce-specversion',
      'is needed, unless the content type is application/cloudevents+json',
    );
  try {
    return readBody(Attributes, headers);
  } catch (error) {
    if (error instanceof UnreadableDelivery) throw new UnreadableDelivery(`ce-${error.path}`, error.message);
    throw error;
  }
}

/** An event in JSON format; `at` is its place in a batch. @throws UnreadableDelivery */
export function structuredEvent(body: unknown, at = ''): CloudEvent {
  const attributes = readBody(Attributes, body, at);
  const prefix = at === '' ? '' : `${at}.`;
  return { ...eventOf(attributes), data: dataOf(attributes, `${prefix}data_base64`), dataPath: `${prefix}data` };
}

/** @throws UnreadableDelivery naming the field. */
export function readData<Schema extends z.ZodType>(schema: Schema, { data, dataPath }: CloudEvent): z.output<Schema> {
  return readBody(schema, data, dataPath);
}

/** The sender's identity of the event. Its id alone is unique only where the source is known to be one. */
export function eventIdOf({ id, source }: Pick<CloudEvent, 'id' | 'source'>, within: 'source' | 'delivery'): string {
  // A source is a URI, which has no space.
  const identity = within === 'source' ? `${source.replaceAll(' ', '%20')} ${id}` : id;
  return eventIdentity(identity) ?? id;
}

export function isStructured(contentType: string): boolean {
  return contentType === 'application/cloudevents+json';
}

export function isBatch(contentType: string): boolean {
  return contentType === 'application/cloudevents-batch+json';
}

function eventOf(attributes: z.output<typeof Attributes>): Omit<CloudEvent, 'data' | 'dataPath'> {
  const { id, source, type, subject, time } = attributes;
  return { id, source, type, subject: subject ?? null, time: readTime(time) };
}

function dataOf({ data, data_base64: encoded }: z.output<typeof Attributes>, path: string): unknown {
  if (encoded == null) return data ?? undefined;
  if (data != null) throw new UnreadableDelivery(path, 'stands beside data, and only one of them may');
  // `Buffer.from` skips what is no base64, which would make other bytes of it.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw new UnreadableDelivery(path, 'is not base64');
  return parseJson(readText(Buffer.from(encoded, 'base64')), path);
}

function collect(read: readonly (DeliveryItem[] | string)[]): ParsedDelivery {
  const parsed: ParsedDelivery = { items: [], skipped: [] };
  for (const one of read) {
    if (typeof one === 'string') parsed.skipped.push(one);
    else parsed.items.push(...one);
  }
  return parsed;
}
