import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inRange, parseDockerRange } from '../../src/domain/docker-range';
import { compareVersions, parseDockerVersion } from '../../src/domain/docker-version';
import { versionTags } from '../support/docker-version-arbitraries';

function satisfies(tag: string, range: string): boolean {
  const parsed = parseDockerRange(range);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return inRange(parsed.range, parseDockerVersion(tag)!);
}

describe('a range', () => {
  it.each<[string, string[], string[]]>([
    ['^7', ['7', '7.0', '7.5', 'v7.5.1', '7.99.99.99', '7.5-alpine'], ['6.9', '8', '8.0', '7.5-rc1', '8-rc1']],
    ['^7.4.2', ['7.4.2', '7.4.3', '7.5', '7.4.2.1'], ['7.4', '7.4.1', '8']],
    ['^0.3', ['0.3', '0.3.9'], ['0.2', '0.4', '1']],
    ['^0.0.3', ['0.0.3', '0.0.3.7'], ['0.0.4', '0.1', '0.0.2']],
    ['^0.0.0.2', ['0.0.0.2'], ['0.0.0.3', '0.0.0.1']],
    ['^0', ['0', '0.9'], ['1']],
    ['^0.0', ['0.0', '0.0.9'], ['0.1']],
    ['~7', ['7', '7.9'], ['8', '6.9']],
    ['~7.4', ['7.4', '7.4.9'], ['7.5', '7.3', '7']],
    ['~7.4.2', ['7.4.2', '7.4.9'], ['7.5', '7.4.1']],
    ['~7.4.2.1', ['7.4.2.1', '7.4.9'], ['7.5', '7.4.2']],
    ['7', ['7', '7.0', '7.9'], ['8', '6']],
    ['7.4', ['7.4', '7.4.9'], ['7.5', '7.3']],
    ['7.4.2', ['7.4.2', '7.4.2.9'], ['7.4.3', '7.4.1']],
    ['=7.4', ['7.4', '7.4.9'], ['7.5']],
    ['v7.4', ['7.4', 'v7.4'], ['7.5']],
    ['7.x', ['7', '7.9'], ['8', '6']],
    ['7.4.*', ['7.4', '7.4.9'], ['7.5']],
    ['7.X.x', ['7.5.9'], ['8']],
    ['^7.x', ['7.5'], ['8']],
    ['>7.x', ['8'], ['7.9']],
    ['<=7.x', ['7.9', '6'], ['8']],
    ['*', ['0', '7.5-alpine', '99'], ['7.5-rc1']],
    ['>=7.2 <8', ['7.2', '7.9.9'], ['7.1', '8', '8.0']],
    ['>= 7.2   < 8', ['7.2'], ['8']],
    ['>7.4', ['7.5', '8'], ['7.4', '7.4.9']],
    ['<=7.4', ['7.4', '7.4.9', '1'], ['7.5']],
    ['<7.4', ['7.3.9'], ['7.4', '7.4.0']],
    ['7.2 - 7.4', ['7.2', '7.4', '7.4.9'], ['7.1', '7.5']],
    ['^6 || ^8', ['6.1', '8.1'], ['7', '9']],
    ['^6||7.4', ['6.1', '7.4.1'], ['7.5']],
    // Prereleases only of a release that the range names one of.
    ['^7.5-rc1', ['7.5-rc1', '7.5.0-rc2', '7.5', '7.6'], ['7.5-beta1', '7.6-rc1', '8']],
    ['>=7.5-beta', ['7.5-beta', '7.5-rc1', '9'], ['7.5-alpha', '8-rc1']],
    ['7.5-rc1', ['7.5-rc1'], ['7.5-rc2', '7.5', '7.5.1']],
    ['<7.5-rc2 >=7.4', ['7.5-rc1', '7.4'], ['7.5-rc2', '7.5']],
    ['<=7.5-rc2', ['7.5-rc2', '7.4'], ['7.5', '7.4-rc1']],
    ['>7.5-rc1', ['7.5-rc2', '7.5'], ['7.5-rc1']],
    ['>=7.4 <8', ['7.5'], ['8.0-rc1', '7.5-rc1']],
  ])('%s', (range, inside, outside) => {
    expect(inside.filter((tag) => !satisfies(tag, range))).toEqual([]);
    expect(outside.filter((tag) => satisfies(tag, range))).toEqual([]);
  });

  it.each([
    ['', 'the range "" cannot be read: it names no version; "*" stands for any'],
    ['^7 ||', 'the range "^7 ||" cannot be read: it names no version; "*" stands for any'],
    ['latest', 'the range "latest" cannot be read: "latest" is neither a version nor a comparison with one'],
    ['^', 'the range "^" cannot be read: "^" is neither a version nor a comparison with one'],
    ['7.x.3', 'the range "7.x.3" cannot be read: in "7.x.3" something follows the x'],
    ['7.4.2.1.9', 'the range "7.4.2.1.9" cannot be read: "7.4.2.1.9" is not a version of one to four numbers'],
    ['>=20240115', 'the range ">=20240115" cannot be read: ">=20240115" is not a version of one to four numbers'],
    ['<*', 'the range "<*" cannot be read: nothing can be "<*"'],
    [
      '^7-alpine',
      `the range "^7-alpine" cannot be read: "^7-alpine" names the variant "alpine", but the variant is that of each device's present tag`,
    ],
    ['7.2 - ', 'the range "7.2 - " cannot be read: "-" is neither a version nor a comparison with one'],
  ])('%j is refused', (range, problem) => {
    expect(parseDockerRange(range)).toEqual({ problem });
  });

  it('of an at-least bound holds exactly the releases that are not older', () => {
    fc.assert(
      fc.property(versionTags, versionTags, (tag, bound) => {
        const [version, least] = [parseDockerVersion(tag)!, parseDockerVersion(bound)!];
        if (version.prerelease !== null || least.variant !== '') return;
        expect(satisfies(tag, `>=${bound}`)).toBe(compareVersions(version, least) >= 0);
      }),
    );
  });
});
