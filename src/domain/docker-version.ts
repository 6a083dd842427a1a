/**
 * Versions as image tags write them. The rules are those of Renovate's docker versioning
 * (https://docs.renovatebot.com/modules/versioning/docker): an optional `v`, numbers, and after the first hyphen a variant
 * that an update never changes, as little as it changes how many numbers there are. Unlike there, words such as `rc` after a
 * hyphen are a prerelease. `fleetwave.tag_version` is the twin in SQL; one test runs the same tags through both.
 */
export interface DockerVersion {
  /** One to four numbers. */
  numbers: number[];
  /** Null for a release; else how early it is, and which one of its kind. */
  prerelease: [stage: number, number: number] | null;
  /** `alpine` of `7.5-alpine`, empty where there is none. */
  variant: string;
}

/** From the earliest to the latest; a release comes after all of them. */
const stages: Readonly<Record<string, number>> = {
  ...{ dev: 0, snapshot: 0, nightly: 0, canary: 0 },
  ...{ alpha: 1, a: 1, beta: 2, b: 2, pre: 3, preview: 3, rc: 4, c: 4 },
};
const HEAD = /^v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?:[._]?([A-Za-z]+)[._]?([0-9]*))?$/;
const PRERELEASE = /^(dev|snapshot|nightly|canary|alpha|beta|preview|pre|rc)(?![a-z])[._]?([0-9]*)/i;
const HASH = /^[0-9a-f]{7,40}$/;
/** Digits beyond these are left out, so that every number fits PostgreSQL's integer. */
const LONGEST_NUMBER = 9;
/** Alone and longer it is a date (20240115), a timestamp, a build number or a hash without letters. */
const LONGEST_LONE_NUMBER = 6;

/** The version that a tag names, or null where it names none: `latest`, a branch, a commit, a date. */
export function parseDockerVersion(tag: string): DockerVersion | null {
  const [head = '', ...segments] = tag.split('-');
  const [, written = '', word = '', wordNumber = ''] = HEAD.exec(head) ?? [];
  const isDate = /^(19|20)[0-9]{2}$/.test(head) && /^[0-9]{2}$/.test(segments[0] ?? '');
  if (
    written === '' ||
    isDate ||
    (HASH.test(head) && /[a-f]/.test(head)) ||
    (!written.includes('.') && written.length > LONGEST_LONE_NUMBER)
  )
    return null;
  if (word !== '' && !Object.hasOwn(stages, word.toLowerCase())) return null;
  const place = word === '' ? segments.findIndex((segment) => PRERELEASE.test(segment)) : -1;
  const [, stage = word, number = wordNumber] = PRERELEASE.exec(segments[place] ?? '') ?? [];
  return {
    numbers: written.split('.').map(Number),
    prerelease: stage === '' ? null : [stages[stage.toLowerCase()] ?? 0, Number(number.slice(0, LONGEST_NUMBER))],
    variant: segments.filter((_, index) => index !== place).join('-'),
  };
}

/** Below 0 where `a` is the older one. Missing numbers count as zero; a prerelease is older than its release. */
export function compareVersions(a: Precedence, b: Precedence): number {
  for (let place = 0; place < Math.max(a.numbers.length, b.numbers.length); place += 1) {
    const difference = (a.numbers[place] ?? 0) - (b.numbers[place] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  if (a.prerelease === null || b.prerelease === null)
    return Number(a.prerelease === null) - Number(b.prerelease === null);
  return Math.sign(a.prerelease[0] - b.prerelease[0] || a.prerelease[1] - b.prerelease[1]);
}
export type Precedence = Pick<DockerVersion, 'numbers' | 'prerelease'>;

/**
 * Why a device on tag `present` is not to get tag `pushed`, or null where it may. A present tag that is no version says
 * nothing about what is newer, and keeps nobody out: such a device would otherwise never join its policy.
 */
export function versionObstacle(pushed: string, present: string, allowDowngrade: boolean): string | null {
  const [next, now] = [parseDockerVersion(pushed), parseDockerVersion(present)];
  if (next === null || now === null) return null;
  if (next.variant !== now.variant) return `another variant than ${present}`;
  if (next.numbers.length !== now.numbers.length) return `another number of version parts than ${present}`;
  return !allowDowngrade && compareVersions(next, now) < 0 ? `downgrade from ${present} (not allowed)` : null;
}
