import type { z } from 'zod';
import { UnreadableDelivery } from './push';
import { readBody } from './read-body';

/**
 * Far more than any sender puts into one delivery. All of them are judged in one transaction, with the tags locked, and the
 * sender waits for it: thousands would take longer than it waits.
 */
const MAX_ENTRIES = 500;

/**
 * The entries that are of the schema, and how many are not: an odd one must not hold back its neighbours. Where there is
 * nothing but odd ones, the first is told.
 * @throws UnreadableDelivery naming the list, or the field in it.
 */
export function readList<Schema extends z.ZodType>(
  schema: Schema,
  list: readonly unknown[],
  at: string,
): { entries: z.output<Schema>[]; odd: number } {
  if (list.length > MAX_ENTRIES)
    throw new UnreadableDelivery(at, `has ${String(list.length)} entries, and at most ${String(MAX_ENTRIES)} are read`);
  const entries: z.output<Schema>[] = [];
  let first: UnreadableDelivery | null = null;
  for (const [index, entry] of list.entries()) {
    try {
      entries.push(readBody(schema, entry, `${at}.${String(index)}`));
    } catch (error) {
      if (!(error instanceof UnreadableDelivery)) throw error;
      first ??= error;
    }
  }
  if (entries.length === 0 && first !== null) throw first;
  return { entries, odd: list.length - entries.length };
}
