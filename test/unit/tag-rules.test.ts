import { describe, expect, it } from '@jest/globals';
import { linearRegex } from '../../src/intake/linear-regex';
import { tagAllowed, validateRange, validateTagGlob, type TagRule } from '../../src/domain/tag-rules';

const semver = (range: string): TagRule => ({ kind: 'semver', range, allowDowngrade: false });

describe('a tag rule', () => {
  it.each<[TagRule, string, boolean, string]>([
    [{ kind: 'any' }, 'x', true, 'the policy allows any tag'],
    [{ kind: 'glob', pattern: '7.*' }, '7.5', true, `tag "7.5" matches the policy's tag rule "7.*"`],
    [{ kind: 'glob', pattern: '7.*' }, '8.0', false, `tag "8.0" does not match the policy's tag rule "7.*"`],
    [{ kind: 'regex', pattern: '7\\.[0-9]+' }, '7.5', true, `tag "7.5" matches the policy's tag rule "7\\.[0-9]+"`],
    [semver('^7'), '7.5-alpine', true, `tag "7.5-alpine" satisfies the policy's tag rule "^7"`],
    [semver('^7'), '8.0', false, `tag "8.0" does not satisfy the policy's tag rule "^7"`],
    [semver('^7'), 'latest', false, `tag "latest" is not a version, and the policy's tag rule asks for "^7"`],
  ])('%j, %s: %s', (rule, tag, allowed, why) => {
    expect(tagAllowed(rule, tag, linearRegex)).toEqual({ allowed, why });
  });

  it.each([
    ['7', '7.5'],
    ['7\\.5', '7.5-alpine'],
    ['5', '7.5'],
    ['7.5', 'v7.5'],
  ])('the regular expression %s has to match all of the tag, not a part of %s', (pattern, tag) => {
    expect(tagAllowed({ kind: 'regex', pattern }, tag, linearRegex).allowed).toBe(false);
  });

  it('the first alternative of a regular expression that fits a part does not hide the one that fits all', () => {
    expect(linearRegex.matches('7|7\\.5', '7.5')).toBe(true);
  });

  it('is refused as a glob that can match no tag', () => {
    expect(
      ['7.*', '*', '*-alpine', 'v?', '', '-x', '7:*', 'a'.repeat(129)].map(
        (pattern) => validateTagGlob(pattern) === null,
      ),
    ).toEqual([true, true, true, false, false, false, false, false]);
  });

  it('is refused as a range that cannot be read', () => {
    expect(['^7', '^'].map(validateRange)).toEqual([
      null,
      'the range "^" cannot be read: "^" is neither a version nor a comparison with one',
    ]);
  });
});

describe('the engine for regular expressions', () => {
  it('takes milliseconds for patterns that hold up a backtracking engine', () => {
    const started = performance.now();
    for (const pattern of ['(a+)+b', '(a|a)*b', '(a*)*b', '([a-z]+)*1', '(a|aa)+b', '(.*a){12}b'])
      expect(linearRegex.matches(pattern, 'a'.repeat(128))).toBe(false);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it.each([
    ['(?=a)b', /RE2 syntax: no look-around, no back references/],
    ['(a)\\1', /RE2 syntax/],
    ['(', /missing closing \)/],
    ['a{1001}', /invalid repeat count/],
    ['a{600}'.repeat(2), /too large/],
  ])('refuses %s in words', (pattern, words) => {
    expect(linearRegex.problem(pattern)).toMatch(words);
  });

  it('answers within a second for the largest pattern that it takes', () => {
    const pattern = '(a?){240}';
    expect(linearRegex.problem(pattern)).toBeNull();
    const started = performance.now();
    linearRegex.matches(pattern, 'a'.repeat(128));
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
