import { SnsMessage } from '../verification/sns-signature';
import { eventIdentity } from './event-identity';
import type { Delivery, RegistryKind, Source } from './kind';
import { UnreadableDelivery, type DeliveryItem, type ParsedDelivery } from './push';
import { readBody, readJson } from './read-body';

/** What stands in the messages of a topic. */
export interface CarriedOptions {
  message_kind: string;
  message_content_type: string;
  message_options: Record<string, unknown>;
}

const Envelope = SnsMessage.pick({ Type: true, MessageId: true, Message: true });

export function carriedKind(carried: readonly RegistryKind[], name: string): RegistryKind | undefined {
  return carried.find((kind) => kind.name === name);
}

/**
 * What a message carries, as the kind that sent it to the topic reads it; with raw message delivery the body is the message.
 * @throws UnreadableDelivery naming the field, within `Message`.
 */
export function parseSns(
  delivery: Delivery,
  source: Source<CarriedOptions>,
  carried: readonly RegistryKind[],
): ParsedDelivery {
  if (delivery.header('x-amz-sns-rawdelivery') === 'true')
    return withMessageId(readCarried(delivery.raw, source, carried), delivery.header('x-amz-sns-message-id'));
  const { Type: type, MessageId: id, Message: message } = readBody(Envelope, readJson(delivery.raw));
  if (type !== 'Notification') return { items: [], skipped: [type] };
  try {
    return withMessageId(readCarried(Buffer.from(message, 'utf8'), source, carried), id);
  } catch (error) {
    if (!(error instanceof UnreadableDelivery)) throw error;
    throw new UnreadableDelivery(error.path === '' ? 'Message' : `Message.${error.path}`, error.message);
  }
}

function readCarried(
  raw: Buffer,
  { options, ...source }: Source<CarriedOptions>,
  carried: readonly RegistryKind[],
): ParsedDelivery {
  const kind = carriedKind(carried, options.message_kind);
  if (kind === undefined)
    throw new UnreadableDelivery('', `this release does not know the kind ${options.message_kind}`);
  // SNS does not sign attributes and sends none as headers, so that a kind which reads headers finds none here.
  const message: Delivery = {
    ...{ method: 'POST', raw, contentType: options.message_content_type },
    ...{ header: () => null, query: () => null },
  };
  return kind.read(message, { ...source, kind: kind.name, options: kind.options.parse(options.message_options) });
}

/** Of a message whose sender gives its pushes no id: SNS keeps its own over its retries. The sender's goes before: it may come by two topics. */
function withMessageId({ items, skipped }: ParsedDelivery, messageId: string | null): ParsedDelivery {
  const id = eventIdentity(messageId);
  if (id === null) return { items, skipped };
  return {
    skipped,
    items: items.map((item): DeliveryItem =>
      item.kind === 'push'
        ? { kind: 'push', push: { ...item.push, eventId: item.push.eventId ?? id } }
        : { kind: 'unusable', unusable: { ...item.unusable, eventId: item.unusable.eventId ?? id } },
    ),
  };
}
