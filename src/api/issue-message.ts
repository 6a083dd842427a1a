import type { z } from 'zod';

/** What zod says when a needed value is absent speaks of types that nobody has sent. */
export function issueMessage(issue: z.core.$ZodIssue, root: unknown): string {
  const isAboutType = issue.code === 'invalid_type' || issue.code === 'invalid_value';
  return isAboutType && valueAt(root, issue.path) === undefined ? 'is needed' : issue.message;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  );
}

/**
 * What is wrong, in a sentence that follows the name of the field: zod's own are made for programmers. Give it to every parsing
 * of what came from outside; a schema's own message goes before it.
 */
export function plainMessage(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return tooSmall(issue.origin, Number(issue.minimum), issue.inclusive ?? true);
    case 'too_big':
      return tooBig(issue.origin, Number(issue.maximum), issue.inclusive ?? true);
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return formats[issue.format];
    case 'invalid_union':
      return 'is none of what can be given here';
    case 'custom':
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
      return undefined;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const formats: Readonly<Record<string, string>> = {
  datetime: 'must be a time in UTC, such as 2026-12-28T06:00:00Z',
  url: 'must be an address, such as https://fleet.acme.io',
  guid: 'must be a uuid',
  uuid: 'must be a uuid',
};

const units: Readonly<Record<string, string>> = { string: 'character', array: 'item', set: 'item' };

function tooSmall(origin: string, minimum: number, inclusive: boolean): string {
  const unit = units[origin];
  if (unit === undefined) return `must be ${inclusive ? 'at least' : 'above'} ${minimum}`;
  return origin === 'string' && minimum === 1 ? 'must not be empty' : `needs at least ${counted(minimum, unit)}`;
}

function tooBig(origin: string, maximum: number, inclusive: boolean): string {
  const unit = units[origin];
  if (unit === undefined) return `must be ${inclusive ? 'at most' : 'below'} ${maximum}`;
  return `may have at most ${counted(maximum, unit)}`;
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
