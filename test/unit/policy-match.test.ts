import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { globMatches } from '../../src/domain/glob';
import { compareSpecificity, patternMatches, validatePattern } from '../../src/domain/image-pattern';
import { parseImageReference, type ImageReference } from '../../src/domain/image-reference';
import { selectPolicy, type MatchablePolicy } from '../../src/domain/policy-match';
import { imageReferenceVectors } from '../support/image-reference-vectors';

function reference(text: string): ImageReference {
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.reference;
}

describe('an image pattern', () => {
  it.each<[string, string[], string[]]>([
    // pattern, matches, does not match
    [
      'redis:*',
      ['redis', 'redis:7', 'docker.io/library/redis:7', 'index.docker.io/redis:x'],
      ['redis-stack:7', 'acme/redis:7', 'ghcr.io/redis:7', 'ghcr.io/library/redis'],
    ],
    ['redis', ['redis', 'redis:7'], ['redis-stack', 'acme/redis']],
    ['docker.io/library/redis:7.*', ['redis:7.5', 'redis:7.5-alpine', 'redis:7.'], ['redis:7', 'redis:8.0', 'redis']],
    ['docker.io/redis:7', ['redis:7'], ['redis:7.5', 'redis']],
    [
      'registry.acme.io:5000/edge/*:*',
      ['registry.acme.io:5000/edge/app:1', 'registry.acme.io:5000/edge/web'],
      ['registry.acme.io:5000/edge/a/b:1', 'registry.acme.io/edge/app:1', 'edge/app:1'],
    ],
    ['registry.acme.io:5000/edge/app', ['registry.acme.io:5000/edge/app:1'], ['registry.acme.io:5000/edge/app2:1']],
    [
      'registry.acme.io:5000/**',
      ['registry.acme.io:5000/app', 'registry.acme.io:5000/a/b/c:1'],
      ['registry.acme.io:5001/app'],
    ],
    ['*.acme.io/app:*', ['eu.acme.io/app:1', 'a.b.acme.io/app'], ['acme.io/app:1', 'eu.acme.io:5000/app:1']],
    ['*/nginx', ['nginx', 'bitnami/nginx:1'], ['ghcr.io/acme/nginx', 'bitnami/nginx-ingress', 'a/b/nginx']],
    ['**/nginx', ['nginx', 'bitnami/nginx:1', 'ghcr.io/acme/nginx', 'a/b/nginx'], ['ghcr.io/acme/nginx2']],
    ['**nginx**:1.*', ['nginx:1.2', 'ghcr.io/acme/my-nginx-proxy:1.0'], ['nginx:2', 'redis:1.0']],
    ['*', ['redis', 'ghcr.io/acme/a/b:1', 'localhost:5000/x'], []],
    ['**', ['redis', 'ghcr.io/acme/a/b:1'], []],
    ['*:latest', ['redis:latest', 'ghcr.io/acme/a/b:latest'], ['redis:7', 'redis']],
    ['redis*', ['redis', 'redis-stack:1'], ['acme/redis', 'ghcr.io/redis']],
    ['acme/*', ['acme/app', 'docker.io/acme/app:1'], ['acme/team/app', 'ghcr.io/acme/app']],
    ['docker.io/*', ['redis'], ['acme/app']],
    ['docker.io/**', ['redis', 'acme/app', 'acme/team/app'], ['ghcr.io/acme/app']],
    ['localhost/*', ['localhost/app'], ['localhosts/app']],
    ['localhost:5000', ['localhost:5000'], ['localhost:5000/app']],
    [
      'ghcr.io/*/app:v*-arm64',
      ['ghcr.io/acme/app:v1-arm64'],
      ['ghcr.io/acme/app:v1-amd64', 'ghcr.io/acme/x/app:v1-arm64'],
    ],
  ])('%s', (pattern, matching, others) => {
    expect(validatePattern(pattern)).toBeNull();
    expect(matching.filter((text) => !patternMatches(pattern, reference(text)))).toEqual([]);
    expect(others.filter((text) => patternMatches(pattern, reference(text)))).toEqual([]);
  });

  it('that is a reference matches that reference, and every valid one can be a pattern', () => {
    for (const vector of imageReferenceVectors) {
      if (!vector.valid || vector.digest !== undefined) continue;
      expect(validatePattern(vector.input)).toBeNull();
      expect(patternMatches(vector.input, reference(vector.input))).toBe(true);
    }
  });

  it.each([
    ['', 'the pattern is empty; "*" matches every image'],
    ['redis:', 'the pattern can match no image: the tag after ":" at character 7 is empty'],
    [
      'Redis:*',
      'the pattern can match no image: the repository part "Redis" at character 1 must be lower case (read with 0 for each "*")',
    ],
    ['a***b', 'the pattern has more than two "*" in a row: "*" matches within a part of the name, "**" across parts'],
    ['redis@sha256:*', 'the pattern has an "@": it is matched against name and tag, a digest cannot be part of it'],
    [
      'acme//*',
      'the pattern can match no image: the repository has an empty part at character 6 (read with 0 for each "*")',
    ],
  ])('%j is refused in one sentence', (pattern, sentence) => {
    expect(validatePattern(pattern)).toBe(sentence);
  });

  it.each([' redis', 'redis:[0-9]', 'redis?', 'redis:^7', 'my_host.io/*', '*/', '/*', 'redis:v*/x', 'a'.repeat(600)])(
    '%j is refused',
    (pattern) => {
      expect(validatePattern(pattern)).not.toBeNull();
    },
  );

  it('is more specific the more it says', () => {
    const ordered = [
      'redis:7.5',
      'redis:7.*',
      'redis:7*',
      'redis',
      'redis-*',
      'redis*',
      'acme/*',
      '**/redis',
      '*:latest',
      '*',
    ];
    const shuffled = [...ordered].sort();
    expect(shuffled.sort(compareSpecificity)).toEqual([
      'redis:7.5',
      'redis:7.*',
      'redis:7*',
      'redis',
      'redis-*',
      'redis*',
      'acme/*',
      '**/redis',
      '*:latest',
      '*',
    ]);
    expect(compareSpecificity('redis', 'docker.io/library/redis:*')).toBe(0);
    expect(compareSpecificity('ghcr.io/a/*', 'ghcr.io/a/**')).toBeLessThan(0);
  });
});

describe('a glob', () => {
  it('matches what an exhaustive search finds', () => {
    const matches = (pattern: string, text: string): boolean => {
      if (pattern === '') return text === '';
      if (!pattern.startsWith('*'))
        return text !== '' && text.startsWith(pattern.charAt(0)) && matches(pattern.slice(1), text.slice(1));
      const [wild, rest] = pattern.startsWith('**') ? [/[^]/, pattern.slice(2)] : [/[^/]/, pattern.slice(1)];
      return matches(rest, text) || (text !== '' && wild.test(text[0]!) && matches(pattern, text.slice(1)));
    };
    const short = (unit: string): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom(...Array.from(unit)), maxLength: 8 });
    fc.assert(
      fc.property(
        short('ab/**'),
        short('ab/'),
        (pattern, text) => globMatches(pattern, text) === matches(pattern, text),
      ),
      { numRuns: 5000 },
    );
  });

  it('takes no longer for a pattern made to take for ever', () => {
    const started = performance.now();
    expect(globMatches('*a'.repeat(256), 'a'.repeat(511) + 'b')).toBe(false);
    expect(globMatches('**a*'.repeat(128) + 'c', 'a'.repeat(511) + 'b')).toBe(false);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe('the policy for a push', () => {
  const policy = (imagePattern: string, more: Partial<MatchablePolicy> = {}): MatchablePolicy => ({
    id: imagePattern,
    imagePattern,
    priority: 100,
    enabled: true,
    createdAt: '2026-01-01T00:00:00.000Z',
    ...more,
  });

  it('is null when none matches, or only disabled ones', () => {
    expect(selectPolicy([policy('nginx'), policy('redis', { enabled: false })], reference('redis:7'))).toBeNull();
  });

  it('is the only one that matches', () => {
    const redis = policy('redis:*');
    expect(selectPolicy([policy('nginx'), redis], reference('redis:7'))).toEqual({
      policy: redis,
      why: '"redis:*" is the only pattern that matches',
      candidates: [redis],
    });
  });

  it.each<[string, MatchablePolicy, MatchablePolicy]>([
    ['"redis" wins over "*": it names one image', policy('redis'), policy('*', { priority: 900 })],
    ['"redis*" wins over "*": it says more of the name', policy('redis*'), policy('*')],
    ['"redis:7" wins over "redis:*": it names one tag', policy('redis:7'), policy('redis:*')],
    ['"redis:7*" wins over "redis:*": it says more of the tag', policy('redis:7*'), policy('redis:*')],
    ['"docker.io/**" wins over "**": it says more of the name', policy('docker.io/**'), policy('**')],
    [
      '"docker.io/library/*" wins over "docker.io/library/**": it has fewer "**" in the name',
      policy('docker.io/library/*'),
      policy('docker.io/library/**'),
    ],
    [
      '"library/redis" wins over "redis": both are as specific, and its priority 200 is above 100',
      policy('library/redis', { priority: 200 }),
      policy('redis', { createdAt: '2020-01-01T00:00:00.000Z' }),
    ],
    [
      '"library/redis" wins over "redis": both are as specific and of priority 100, and it is the older policy',
      policy('library/redis', { createdAt: '2020-01-01T00:00:00.000Z' }),
      policy('redis'),
    ],
  ])('says why: %s', (why, winner, loser) => {
    const pushed = reference('redis:7');
    for (const policies of [
      [winner, loser],
      [loser, winner],
    ]) {
      expect(selectPolicy(policies, pushed)).toEqual({ policy: winner, why, candidates: [winner, loser] });
    }
  });

  it('does not depend on the order they are listed in', () => {
    const policies = ['redis', 'redis:7', 'redis:7*', 'redis*', '*', '**/redis', 'library/*'].flatMap((pattern) => [
      policy(pattern),
      policy(pattern, { id: `${pattern} 2` }),
    ]);
    fc.assert(
      fc.property(fc.shuffledSubarray(policies, { minLength: policies.length }), (shuffled) => {
        expect(selectPolicy(shuffled, reference('redis:7'))).toEqual(selectPolicy(policies, reference('redis:7')));
      }),
    );
  });
});
