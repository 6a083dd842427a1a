import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareVersions, parseDockerVersion, versionObstacle } from '../../src/domain/docker-version';
import { versionTags } from '../support/docker-version-arbitraries';
import { obstacleVectors, tagVersionVectors } from '../support/docker-version-vectors';

/** A version that the test itself wrote, so it is one. */
const parsed = (tag: string) => parseDockerVersion(tag)!;

describe('the version of a tag', () => {
  it.each(tagVersionVectors)('%s', (tag, expected) => {
    const [numbers, prerelease, variant] = expected ?? [];
    expect(parseDockerVersion(tag)).toEqual(expected === null ? null : { numbers, prerelease, variant });
  });
});

describe('what keeps a device out', () => {
  it.each(obstacleVectors)('%s over %s, downgrades allowed %j: %s', (pushed, present, allowDowngrade, obstacle) => {
    expect(versionObstacle(pushed, present, allowDowngrade)).toBe(obstacle);
  });

  it('never lets two tags of a kind both replace each other, or neither, unless they are of equal rank', () => {
    fc.assert(
      fc.property(versionTags, versionTags, (a, b) => {
        const [over, under] = [versionObstacle(a, b, false), versionObstacle(b, a, false)];
        const comparable = over?.startsWith('another') !== true;
        if (!comparable) expect(under?.startsWith('another')).toBe(true);
        else expect(over === null && under === null).toBe(compareVersions(parsed(a), parsed(b)) === 0);
      }),
    );
  });
});

describe('the order of versions', () => {
  it('goes from the earliest to the latest', () => {
    const order = [
      '0.9',
      '1-dev',
      '1-alpha1',
      '1-alpha2',
      '1-beta1',
      '1-pre1',
      '1-rc1',
      '1-rc10',
      '1',
      '1.0.1',
      '1.9',
      '1.10',
    ];
    for (const [low, older] of order.entries())
      for (const [high, newer] of order.entries())
        expect([older, newer, compareVersions(parsed(older), parsed(newer))]).toEqual([
          older,
          newer,
          Math.sign(low - high),
        ]);
  });

  it('counts missing numbers as zero', () => {
    expect(compareVersions(parsed('7'), parsed('7.0.0.0'))).toBe(0);
  });

  it('is antisymmetric and transitive', () => {
    fc.assert(
      fc.property(versionTags, versionTags, versionTags, (a, b, c) => {
        const order = (one: string, other: string): number => compareVersions(parsed(one), parsed(other));
        expect(order(a, a)).toBe(0);
        expect(order(a, b) + order(b, a)).toBe(0);
        if (order(a, b) <= 0 && order(b, c) <= 0) expect(order(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2000 },
    );
  });
});
