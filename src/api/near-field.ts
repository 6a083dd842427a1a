import { closest, distance } from 'fastest-levenshtein';

/** Shorter words are part of too many others. */
const SHORTEST_PART = 4;

/**
 * The known field that was probably meant by one that is not known: written a little otherwise (`imagePattern`, `batch_delay_second`),
 * or by its first or last words alone (`pattern` for `image_pattern`). Null where none is near.
 */
export function nearField(given: string, known: readonly string[]): string | null {
  const plain = new Map(known.map((field) => [plainly(field), field]));
  const asked = plainly(given);
  if (plain.size === 0 || asked === '') return null;
  const near = closest(asked, [...plain.keys()]);
  if (distance(asked, near) <= Math.max(1, Math.floor(asked.length / 4))) return plain.get(near) ?? null;
  if (asked.length < SHORTEST_PART) return null;
  return known.find((field) => plainly(field).startsWith(asked) || plainly(field).endsWith(asked)) ?? null;
}

/** Without what people write otherwise: case, and what is between words. */
function plainly(field: string): string {
  return field.toLowerCase().replaceAll(/[_\-\s]/g, '');
}
