import type { z } from 'zod';
import { issueMessage } from './issue-message';
import { invalidInput, type InvalidPart } from './problem';

/** More would not help a person, and one error an element of a large list would make a large answer. */
const MAX_REPORTED = 50;

/** @throws HttpProblem 422 listing what is wrong; `prefix` tells `query` and `params` from the body. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, prefix = ''): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalidInput(parsed.error.issues.flatMap((issue) => parts(issue, prefix, value)).slice(0, MAX_REPORTED));
}

function parts(issue: z.core.$ZodIssue, prefix: string, value: unknown): InvalidPart[] {
  const at = (path: readonly PropertyKey[]): string =>
    [...(prefix === '' ? [] : [prefix]), ...path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: at([...issue.path, key]), message: 'unknown field' }));
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one that was meant says more than that none fits.
    const meant = issue.errors.find((errors) => !errors.some(isWrongType));
    // Within a union the paths begin at the union's own value.
    if (meant !== undefined)
      return meant.flatMap((error) => parts({ ...error, path: [...issue.path, ...error.path] }, prefix, value));
  }
  return [{ path: at(issue.path), message: issueMessage(issue, value) }];
}

function isWrongType(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}
