import type { z } from 'zod';
import { issueMessage, plainMessage } from '../issue-message';
import { UnreadableDelivery } from './push';

/** The parsed body. @throws UnreadableDelivery naming the first field that is missing or of another type. */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body, { error: plainMessage });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UnreadableDelivery(
    issue?.path.map(String).join('.') ?? '',
    issue === undefined ? 'cannot be read' : issueMessage(issue, body),
  );
}

/** The bytes as JSON. @throws UnreadableDelivery when they are none. */
export function readJson(raw: Buffer): unknown {
  try {
    // Fatal, so that bytes which are no UTF-8 are refused instead of becoming another name.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw)) as unknown;
  } catch {
    throw new UnreadableDelivery('', 'the body is not JSON');
  }
}
