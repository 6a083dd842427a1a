import { inRange, parseDockerRange } from './docker-range';
import { parseDockerVersion } from './docker-version';
import { globMatches, literalLength } from './glob';

/** Which tags of an image a policy lets through; `semver` also decides device by device (`fleetwave.tag_obstacle`). */
export type TagRule =
  | { kind: 'any' }
  | { kind: 'glob'; pattern: string }
  | { kind: 'regex'; pattern: string }
  | { kind: 'semver'; range: string; allowDowngrade: boolean };

/** An engine for operators' regular expressions, given by the caller: one of linear time is a package, and these rules have none. */
export interface RegexEngine {
  /** Whether all of the text matches. */
  matches: (pattern: string, text: string) => boolean;
  /** What is wrong with a pattern, as one sentence, or null. */
  problem: (pattern: string) => string | null;
}

/** Whether a tag may start a rollout, and the sentence that says so to the operator. */
export function tagAllowed(rule: TagRule, tag: string, regex: RegexEngine): { allowed: boolean; why: string } {
  switch (rule.kind) {
    case 'any':
      return { allowed: true, why: 'the policy allows any tag' };
    case 'glob':
      return said(globMatches(rule.pattern, tag), tag, 'match', rule.pattern);
    case 'regex':
      return said(regex.matches(rule.pattern, tag), tag, 'match', rule.pattern);
    case 'semver':
      return versionAllowed(rule.range, tag);
  }
}

/** What is wrong with a tag glob, as one sentence, or null. */
export function validateTagGlob(pattern: string): string | null {
  if (pattern === '') return 'the tag glob is empty; "*" matches any tag';
  if (/^[A-Za-z0-9_*][A-Za-z0-9_.*-]*$/.test(pattern) && literalLength(pattern) <= 128) return null;
  return `the tag glob "${pattern}" can match no tag: a tag has at most 128 letters, digits, "_", "." and "-", and does not begin with "." or "-"`;
}

/** What is wrong with a version range, as one sentence, or null. */
export function validateRange(range: string): string | null {
  const parsed = parseDockerRange(range);
  return 'problem' in parsed ? parsed.problem : null;
}

function versionAllowed(range: string, tag: string): { allowed: boolean; why: string } {
  const version = parseDockerVersion(tag);
  if (version === null)
    return { allowed: false, why: `tag "${tag}" is not a version, and the policy's tag rule asks for "${range}"` };
  const parsed = parseDockerRange(range);
  if ('problem' in parsed) return { allowed: false, why: parsed.problem };
  return said(inRange(parsed.range, version), tag, 'satisfy', range);
}

function said(
  allowed: boolean,
  tag: string,
  verb: 'match' | 'satisfy',
  rule: string,
): { allowed: boolean; why: string } {
  const words = allowed ? { match: 'matches', satisfy: 'satisfies' }[verb] : `does not ${verb}`;
  return { allowed, why: `tag "${tag}" ${words} the policy's tag rule "${rule}"` };
}
