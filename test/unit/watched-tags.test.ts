import { describe, expect, test } from '@jest/globals';
import { judgeSeen, type KnownTag, type SeenAs } from '../../src/domain/seen-tag';
import {
  acceptanceOrder,
  asksForRunning,
  chooseTags,
  onlyTag,
  sameRule,
  watchedImages,
  watches,
  type WatchRule,
} from '../../src/domain/watched-tags';
import type { TagRule } from '../../src/domain/tag-rules';
import { linearRegex } from '../../src/intake/linear-regex';

const any: TagRule = { kind: 'any' };
const policy = (imagePattern: string, tagRule: TagRule = any) => ({ imagePattern, tagRule });
const signature = `sha256-${'a'.repeat(64)}.sig`;

describe('which images are watched', () => {
  const running = [
    'docker.io/library/redis',
    'docker.io/acme/app',
    'registry.acme.io:5000/edge/app',
    'ghcr.io/acme/app',
  ];
  test.each<[string, string, string[]]>([
    ['redis:7.*', 'docker.io', ['docker.io/library/redis']],
    ['docker.io/library/nginx', 'docker.io', ['docker.io/library/nginx']],
    ['redis*:*', 'docker.io', ['docker.io/library/redis']],
    ['*', 'docker.io', ['docker.io/library/redis', 'docker.io/acme/app']],
    ['*', 'ghcr.io', ['ghcr.io/acme/app']],
    ['registry.acme.io:5000/edge/*:*', 'registry.acme.io:5000', ['registry.acme.io:5000/edge/app']],
    ['registry.acme.io:5000/edge/*:*', 'docker.io', []],
    ['Registry.acme.io/edge/api', 'registry.acme.io', ['Registry.acme.io/edge/api']],
    ['redis:7', 'ghcr.io', []],
  ])('%s of %s', (pattern, host, images) => {
    expect([...watchedImages([policy(pattern)], host, running).keys()]).toEqual(images);
  });

  test('rules that say the same are one', () => {
    const rules = watchedImages([policy('redis:7.*'), policy('redis:7.*'), policy('redis:6.*')], 'docker.io', []);
    expect(rules.get('docker.io/library/redis')?.map(({ tag }) => tag)).toEqual(['7.*', '6.*']);
    const range = (allowDowngrade: boolean): WatchRule => ({
      tag: '*',
      rule: { kind: 'semver', range: '^7', allowDowngrade },
    });
    // Whether devices may go back decides about devices.
    expect(sameRule(range(true), range(false))).toBe(true);
    expect(
      sameRule({ tag: '*', rule: { kind: 'glob', pattern: '7' } }, { tag: '*', rule: { kind: 'regex', pattern: '7' } }),
    ).toBe(false);
  });

  test.each<[string, string, boolean]>([
    ['redis:*', 'docker.io', false],
    ['redis*', 'docker.io', true],
    ['redis*', 'ghcr.io', false],
    ['*', 'ghcr.io', true],
    ['*.acme.io/app', 'ghcr.io', true],
    ['ghcr.io/acme/*', 'ghcr.io', true],
  ])('%s needs to know which images of %s devices run: %s', (pattern, host, asks) => {
    expect(asksForRunning([policy(pattern)], host)).toBe(asks);
  });
});

describe('which tags are watched', () => {
  test.each<[string, TagRule, string, boolean]>([
    ['*', any, 'latest', true],
    ['7.*', any, '7.5', true],
    ['7.*', any, '8.0', false],
    ['*', { kind: 'glob', pattern: '7.*' }, '7.5', true],
    ['*', { kind: 'regex', pattern: '7\\.[0-9]+' }, '7.5', true],
    ['*', { kind: 'regex', pattern: '7\\.[0-9]+' }, '7.5-alpine', false],
    ['*', { kind: 'semver', range: '^7', allowDowngrade: false }, '7.5-alpine', true],
    ['*', { kind: 'semver', range: '^7', allowDowngrade: false }, 'latest', false],
    ['*', any, signature, false],
  ])('%s with %j and the tag %s: %s', (tag, rule, pushed, watched) => {
    expect(watches({ tag, rule }, pushed, linearRegex)).toBe(watched);
  });

  test.each<[string, TagRule, string | null]>([
    ['stable', any, 'stable'],
    ['*', any, null],
    ['*', { kind: 'glob', pattern: 'stable' }, 'stable'],
    ['*', { kind: 'glob', pattern: '7.*' }, null],
    ['*', { kind: 'regex', pattern: 'stable' }, null],
  ])('%s with %j is about the one tag %s', (tag, rule, only) => {
    expect(onlyTag({ tag, rule })).toBe(only);
  });
});

describe('which tags are asked for', () => {
  const tags = ['1.9', 'latest', '1.10', '2.0-rc1', '2.0', 'edge', '1.9'];
  test('the newest versions first, then names; each once', () => {
    expect(chooseTags(tags, new Set(), 10)).toEqual({
      tags: ['2.0', '2.0-rc1', '1.10', '1.9', 'edge', 'latest'],
      leftOut: 0,
    });
  });
  test('no more than fit, what is run or new before all, and how many were left out', () => {
    expect(chooseTags(tags, new Set(['latest', '1.9']), 3)).toEqual({ tags: ['1.9', 'latest', '2.0'], leftOut: 3 });
  });
  test('they are accepted the other way round: the newest version comes last', () => {
    expect([...new Set(tags)].sort(acceptanceOrder)).toEqual(['latest', 'edge', '1.9', '1.10', '2.0-rc1', '2.0']);
  });
});

describe('what a digest that was found means', () => {
  const known = (digest: string | null, pendingDigest: string | null = null, ripe = false): KnownTag => ({
    digest,
    pendingDigest,
    ripe,
  });
  test.each<[string, KnownTag | undefined, boolean, SeenAs]>([
    ['a new tag', undefined, true, 'pending'],
    ['a new tag that was not watched', undefined, false, 'noted'],
    ['the digest that is known', known('b'), true, 'same'],
    ['the known one again, while another was pending', known('b', 'c', true), true, 'same'],
    ['another digest', known('a'), true, 'pending'],
    ['another digest of a tag that was not watched', known('a'), false, 'noted'],
    ['a tag of which the name was known', known(null), true, 'noted'],
    ['the pending digest, too early', known('a', 'b'), true, 'waiting'],
    ['the pending digest, in time', known('a', 'b', true), true, 'due'],
    ['the pending digest of a new tag, in time', known(null, 'b', true), true, 'due'],
    ['yet another than the pending one', known('a', 'c', true), true, 'pending'],
    ['yet another of a new tag', known(null, 'c', true), true, 'pending'],
    ['a pending digest that nobody watched meanwhile', known('a', 'b', true), false, 'noted'],
  ])('%s', (_, before, watched, as) => {
    expect(judgeSeen(before, 'b', watched)).toBe(as);
  });
});
