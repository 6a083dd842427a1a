import type { z } from 'zod';
import { issueMessage, plainMessage } from '../issue-message';
import { UnreadableDelivery } from './push';

/** The parsed body, or its part at `at`. @throws UnreadableDelivery naming the first field that is missing or of another type. */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown, at = ''): z.output<Schema> {
  const parsed = schema.safeParse(body, { error: plainMessage });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UnreadableDelivery(
    [...(at === '' ? [] : [at]), ...(issue?.path ?? [])].map(String).join('.'),
    issue === undefined ? 'cannot be read' : issueMessage(issue, body),
  );
}

/** The bytes as JSON. @throws UnreadableDelivery when they are none. */
export function readJson(raw: Buffer): unknown {
  return parseJson(readText(raw));
}

/** Fatal, so that bytes which are no UTF-8 are refused instead of becoming another name. */
export function readText(raw: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch {
    throw new UnreadableDelivery('', 'the body is not UTF-8');
  }
}

/** A text as JSON; `path` names the field it came in. @throws UnreadableDelivery */
export function parseJson(text: string, path = ''): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UnreadableDelivery(path, path === '' ? 'the body is not JSON' : 'is not JSON');
  }
}
