import { describe, expect, test } from '@jest/globals';
import { missingPlatforms, platformProblem } from '../../src/domain/platforms';
import { describeResolution, resolutionObstacle, resolutionOf } from '../../src/domain/resolution';

describe('a platform of a policy', () => {
  test.each(['linux/amd64', 'linux/arm64/v8', 'linux/arm/v7', 'windows/amd64', 'linux/386', 'linux/riscv64'])(
    '%s is one',
    (platform) => expect(platformProblem(platform)).toBeNull(),
  );
  test.each([
    ['linux', /os\/architecture/],
    ['linux/', /os\/architecture/],
    ['linux/arm/v7/x', /os\/architecture/],
    ['Linux/amd64', /operating system/],
    ['linux/x86_64', /architecture/],
    ['linux/aarch64', /architecture/],
    ['linux/arm/', /variant/],
    ['linux/arm/V7', /variant/],
  ])('%s is none: %s', (platform, problem) => expect(platformProblem(platform)).toMatch(problem));
});

describe('an image has a wanted platform', () => {
  test.each([
    ['of the same name', 'linux/amd64', 'linux/amd64', true],
    ['of any variant where none is asked for', 'linux/arm64', 'linux/arm64/v8', true],
    ['whose variant is the usual one, and not said', 'linux/arm64/v8', 'linux/arm64', true],
    ['whose variant is the usual one of arm', 'linux/arm/v7', 'linux/arm', true],
    ['not of an older variant', 'linux/arm/v7', 'linux/arm/v6', false],
    ['not of a newer one than the usual', 'linux/amd64/v3', 'linux/amd64', false],
    ['not of another architecture', 'linux/arm64', 'linux/arm/v7', false],
    ['not of another system', 'linux/amd64', 'windows/amd64', false],
  ])('%s', (_, wanted, there, has) => expect(missingPlatforms([wanted], [there])).toEqual(has ? [] : [wanted]));

  test('those that are missing are named in the order in which they are asked for', () => {
    expect(missingPlatforms(['linux/s390x', 'linux/amd64', 'linux/386'], ['linux/amd64'])).toEqual([
      'linux/s390x',
      'linux/386',
    ]);
  });
});

describe('what a registry said', () => {
  const at = new Date(0);
  const digest = `sha256:${'a'.repeat(64)}`;
  const release = { image: 'docker.io/library/redis', tag: '7', wanted: ['linux/amd64'] };
  const found = { kind: 'found' as const, digest };

  test('platforms that could not be learned stop nothing, and are said to be unknown', () => {
    const resolution = resolutionOf(null, { ...found, platforms: null, platformsUnknown: 'its storage is away' }, at);
    expect(describeResolution(resolution, null)).toBe(
      `the tag points to ${digest}; platforms unknown: its storage is away`,
    );
    expect(resolutionObstacle(resolution, release)).toBeNull();
    const unsaid = resolutionOf(digest, { ...found, platforms: null }, at);
    expect([unsaid.why, unsaid.gave_digest]).toEqual(['the registry does not say for which platforms it is', false]);
  });

  test('what is no image at all is told to nobody that asks for a platform', () => {
    const resolution = resolutionOf(null, { ...found, platforms: [] }, at);
    expect(describeResolution(resolution, null)).toContain('it is no image that runs');
    expect(resolutionObstacle(resolution, release)).toContain('for no platform');
    expect(resolutionObstacle(resolution, { ...release, wanted: [] })).toBeNull();
  });

  test('a long reason is cut', () => {
    expect(resolutionOf(null, { kind: 'unknown', why: 'x'.repeat(5000) }, at).why).toHaveLength(500);
  });
});
