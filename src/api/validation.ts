import type { z } from 'zod';
import { issueMessage, plainMessage } from './issue-message';
import { nearField } from './near-field';
import { invalidInput, type InvalidPart } from './problem';

/** More would not help a person, and one error an element of a large list would make a large answer. */
const MAX_REPORTED = 50;

/** @throws HttpProblem 422 listing what is wrong; `prefix` tells `query` and `params` from the body. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, prefix = ''): T {
  const good = schema.safeParse(value);
  if (good.success) return good.data;
  // What is wrong is only then looked for: what that needs costs more than the look itself.
  const known: KnownFields = new WeakMap();
  const error = (issue: z.core.$ZodRawIssue): string | undefined => {
    if (issue.code === 'unrecognized_keys') known.set(issue.keys, fieldsOf(issue.inst));
    return plainMessage(issue);
  };
  const parsed = schema.safeParse(value, { error });
  if (parsed.success) return parsed.data;
  const isUnknownField = (part: InvalidPart): boolean => part.message.startsWith(UNKNOWN);
  const found = parsed.error.issues.flatMap((issue) => parts(issue, { prefix, value, known }));
  // A typing error in a name is the reason why a needed field is missing, so it is said first.
  const ordered = [...found.filter(isUnknownField), ...found.filter((part) => !isUnknownField(part))];
  throw invalidInput(ordered.slice(0, MAX_REPORTED));
}

const UNKNOWN = 'unknown field';

/** By an issue's own list of unknown keys: the finished issue does not say of which object it is, only the raw one does. */
type KnownFields = WeakMap<readonly string[], readonly string[]>;

function fieldsOf(schema: unknown): string[] {
  const def = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def;
  return Object.keys(def?.shape ?? {});
}

interface Asked {
  prefix: string;
  value: unknown;
  known: KnownFields;
}

function parts(issue: z.core.$ZodIssue, asked: Asked): InvalidPart[] {
  const { prefix, value, known } = asked;
  const at = (path: readonly PropertyKey[]): string =>
    [...(prefix === '' ? [] : [prefix]), ...path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const near = nearField(key, known.get(issue.keys) ?? []);
      return { path: at([...issue.path, key]), message: near === null ? UNKNOWN : `${UNKNOWN}: did you mean ${near}?` };
    });
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one that was meant says more than that none fits.
    const meant = issue.errors.find((errors) => !errors.some(isWrongType));
    // Within a union the paths begin at the union's own value.
    if (meant !== undefined)
      return meant.flatMap((error) => parts({ ...error, path: [...issue.path, ...error.path] }, asked));
  }
  return [{ path: at(issue.path), message: issueMessage(issue, value) }];
}

function isWrongType(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}
