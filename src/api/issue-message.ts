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
