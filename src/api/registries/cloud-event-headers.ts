import type { Delivery } from './kind';
import { UnreadableDelivery } from './push';

const NAMES = ['specversion', 'id', 'source', 'type', 'subject', 'time'] as const;

/** The attributes of an event in binary mode, where the body is its data alone. @throws UnreadableDelivery naming the header. */
export function readBinaryEvent({ header }: Pick<Delivery, 'header'>): Partial<Record<string, string>> {
  const attributes: Partial<Record<string, string>> = {};
  for (const name of NAMES) {
    const value = header(`ce-${name}`);
    if (value !== null) attributes[name] = headerText(value, `ce-${name}`);
  }
  return attributes;
}

/**
 * A header's value as the attribute that it carries: first out of double quotes, then one round of percent-decoding, and
 * never two. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
 */
function headerText(value: string, name: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  const plain = isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  const bytes = plain.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    // Node gives a header's bytes as one character each; a byte order mark is a part of the name like any other.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw new UnreadableDelivery(name, 'is not UTF-8');
  }
}
