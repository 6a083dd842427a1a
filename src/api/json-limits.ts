import { HttpProblem } from './problem';

/** Far above any real document; what recurses over a body (stringify, PostgreSQL) must not run out of stack. */
const MAX_DEPTH = 64;
const UNSTORABLE = /[\u0000]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/**
 * Refuses JSON that parses but cannot be stored: NUL and lone surrogates (PostgreSQL has no text for them), and nesting
 * beyond reason.
 * @throws HttpProblem 422.
 */
export function checkJson(value: unknown, depth = 0): void {
  if (typeof value === 'string') checkText(value);
  if (typeof value !== 'object' || value === null) return;
  if (depth >= MAX_DEPTH) throw new HttpProblem(422, 'too-deep', `the body is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    for (const item of value) checkJson(item, depth + 1);
    return;
  }
  for (const key of Object.keys(value)) {
    checkText(key);
    checkJson((value as Record<string, unknown>)[key], depth + 1);
  }
}

function checkText(text: string): void {
  if (UNSTORABLE.test(text))
    throw new HttpProblem(422, 'unstorable-text', 'the body holds a NUL character or half a surrogate pair');
}
