import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readBinaryEvent } from './cloud-event-headers';
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
  /** How the fields of `data` are named to people: `data.`, with its place in a batch, or nothing in binary mode. */
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
  datacontenttype: optional,
  data: z.unknown(),
  data_base64: optional,
});

/** The largest that is stored; a longer identity is hashed, since two that differ at their end must stay two. */
const MAX_IDENTITY = 500;

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

/** Each member of a batch. `readMember` may read what stands in it otherwise. */
export function parseBatch(
  members: readonly unknown[],
  read: (event: CloudEvent) => DeliveryItem[] | string,
  readMember: (member: unknown, path: string) => DeliveryItem[] | string = (member, path) =>
    read(structuredEvent(member, path)),
): ParsedDelivery {
  return collect(
    members.map((member, index) => {
      try {
        return readMember(member, `${String(index)}.`);
      } catch (error) {
        if (!(error instanceof UnreadableDelivery)) throw error;
        const reason = `cannot be read: ${error.path}: ${error.message}`;
        return [unusablePush({ imageName: '', tag: null, digest: null, eventId: null, reason })];
      }
    }),
  );
}

/** The one event of a delivery that is no batch. @throws UnreadableDelivery naming the attribute, or its header. */
export function readCloudEvent(delivery: Delivery): CloudEvent {
  if (isStructured(delivery.contentType)) return structuredEvent(readJson(delivery.raw));
  const attributes = readBinaryEvent(delivery);
  const event = withAttributes(attributes, (name) => `ce-${name}`);
  const text = readText(delivery.raw);
  return { ...event, data: text === '' ? undefined : parseJson(text), dataPath: '' };
}

/** An event in JSON format; `path` is its place in a batch. @throws UnreadableDelivery */
export function structuredEvent(body: unknown, path = ''): CloudEvent {
  const event = withAttributes(body, (name) => path + name);
  return { ...event, dataPath: `${path}data.` };
}

/** @throws UnreadableDelivery naming the field. */
export function readData<Schema extends z.ZodType>(schema: Schema, { data, dataPath }: CloudEvent): z.output<Schema> {
  try {
    return readBody(schema, data);
  } catch (error) {
    if (!(error instanceof UnreadableDelivery)) throw error;
    throw new UnreadableDelivery(`${dataPath}${error.path}`.replace(/\.$/, ''), error.message);
  }
}

/** The sender's identity of the event. Its id alone is unique only where the source is known to be one. */
export function eventIdOf(event: Pick<CloudEvent, 'id' | 'source'>, within: 'source' | 'delivery'): string {
  // A source is a URI, which has no space.
  const identity = within === 'source' ? `${event.source.replaceAll(' ', '%20')} ${event.id}` : event.id;
  if (identity.length <= MAX_IDENTITY) return identity;
  return `sha256:${createHash('sha256').update(identity).digest('hex')}`;
}

export function isStructured(contentType: string): boolean {
  return contentType === 'application/cloudevents+json';
}

export function isBatch(contentType: string): boolean {
  return contentType === 'application/cloudevents-batch+json';
}

function withAttributes(body: unknown, pathOf: (name: string) => string): Omit<CloudEvent, 'dataPath'> {
  const read = (() => {
    try {
      return readBody(Attributes, body);
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      throw new UnreadableDelivery(pathOf(error.path).replace(/\.$/, ''), error.message);
    }
  })();
  const { id, source, type, subject, time } = read;
  return { id, source, type, subject: subject ?? null, time: readTime(time), data: dataOf(read, pathOf) };
}

function dataOf(read: z.output<typeof Attributes>, pathOf: (name: string) => string): unknown {
  const { data, data_base64: encoded } = read;
  if (encoded == null) return data ?? undefined;
  const path = pathOf('data_base64');
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
