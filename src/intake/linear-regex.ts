import { RE2JS } from 're2js';
import type { RegexEngine } from '../domain/tag-rules';

/** Steps of a compiled pattern. With as many optional parts as fit, a tag of 128 characters takes 40 ms (3600 steps: 400 ms). */
const LARGEST_PROGRAM = 1000;

/**
 * Operators' regular expressions in RE2's syntax (https://github.com/google/re2/wiki/Syntax), in time linear in the text:
 * no pattern can hold up the API. Look-around and back references do not exist there.
 */
export const linearRegex: RegexEngine = {
  matches: (pattern, text) => RE2JS.compile(pattern).matches(text),
  problem(pattern) {
    try {
      if (RE2JS.compile(pattern).programSize() <= LARGEST_PROGRAM) return null;
      return 'the regular expression is too large: repeat less';
    } catch (error) {
      if (error instanceof Error && error.name.startsWith('RE2JS'))
        return `the regular expression cannot be read (RE2 syntax: no look-around, no back references): ${error.message}`;
      throw error;
    }
  },
};

/** For many tags against few patterns: to compile one takes a hundred times as long as to match with it. */
export function rememberingRegex(): RegexEngine {
  const compiled = new Map<string, RE2JS>();
  return {
    ...linearRegex,
    matches(pattern, text) {
      const expression = compiled.get(pattern) ?? RE2JS.compile(pattern);
      compiled.set(pattern, expression);
      return expression.matches(text);
    },
  };
}
