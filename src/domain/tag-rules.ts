import { globMatches, literalLength } from './glob';

/** Which tags of an image a policy lets through. */
export type TagRule = { kind: 'any' } | { kind: 'glob'; pattern: string };

/** Whether a tag may start a rollout, and the sentence that says so to the operator. */
export function tagAllowed(rule: TagRule, tag: string): { allowed: boolean; why: string } {
  switch (rule.kind) {
    case 'any':
      return { allowed: true, why: 'the policy allows any tag' };
    case 'glob':
      return globMatches(rule.pattern, tag)
        ? { allowed: true, why: `tag "${tag}" matches the policy's tag rule "${rule.pattern}"` }
        : { allowed: false, why: `tag "${tag}" does not match the policy's tag rule "${rule.pattern}"` };
  }
}

/** What is wrong with a tag glob, as one sentence, or null. */
export function validateTagGlob(pattern: string): string | null {
  if (pattern === '') return 'the tag glob is empty; "*" matches any tag';
  if (/^[A-Za-z0-9_*][A-Za-z0-9_.*-]*$/.test(pattern) && literalLength(pattern) <= 128) return null;
  return `the tag glob "${pattern}" can match no tag: a tag has at most 128 letters, digits, "_", "." and "-", and does not begin with "." or "-"`;
}
