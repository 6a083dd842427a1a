import { compareVersions, parseDockerVersion, type DockerVersion, type Precedence } from './docker-version';

interface Bound {
  operator: '>=' | '>' | '<' | '<=';
  version: Precedence;
  /** The range names this prerelease itself, and so asks for those of its release. */
  asksForPrerelease: boolean;
}

/** Alternatives, each a list of bounds that must all hold. */
export type DockerRange = Bound[][];

const TERM = /^(\^|~|>=|<=|>|<|=)?v?([0-9xX*].*)$/;
const WILDCARD = /^[xX*]$/;

/**
 * Reads a range in npm's grammar (https://docs.npmjs.com/cli/using-npm/semver, section "Ranges"): `^7`, `~7.4`, `>=7.2 <8`,
 * `7.x`, `7.2 - 7.4`, `^6 || ^7`. A version that stands alone means all that begin with it: `7.4` is `7.4.x`.
 * @returns the range, or one sentence that says what is wrong with it.
 */
export function parseDockerRange(text: string): { range: DockerRange } | { problem: string } {
  const range: DockerRange = [];
  for (const alternative of text.split('||')) {
    const bounds = parseAlternative(alternative.trim());
    if (typeof bounds === 'string') return { problem: `the range "${text}" cannot be read: ${bounds}` };
    range.push(bounds);
  }
  return { range };
}

/** Missing numbers of the tag count as zero. A prerelease is in the range only where the range names one of that release. */
export function inRange(range: DockerRange, version: DockerVersion): boolean {
  return range.some((bounds) => {
    if (!bounds.every((bound) => holds(bound, version))) return false;
    return (
      version.prerelease === null ||
      bounds.some((bound) => bound.asksForPrerelease && sameNumbers(bound.version, version))
    );
  });
}

function parseAlternative(text: string): Bound[] | string {
  if (text === '') return 'it names no version; "*" stands for any';
  const hyphen = /^(\S+)\s+-\s+(\S+)$/.exec(text);
  const terms =
    hyphen === null
      ? text.replaceAll(/(\^|~|>=|<=|>|<|=)\s+/g, '$1').split(/\s+/)
      : [`>=${hyphen[1] ?? ''}`, `<=${hyphen[2] ?? ''}`];
  const bounds: Bound[] = [];
  for (const term of terms) {
    const parsed = parseTerm(term);
    if (typeof parsed === 'string') return parsed;
    bounds.push(...parsed);
  }
  return bounds;
}

function parseTerm(term: string): Bound[] | string {
  const [, operator = '=', written] = TERM.exec(term) ?? [];
  if (written === undefined) return `"${term}" is neither a version nor a comparison with one`;
  const parts = written.split('.');
  const wildcard = parts.findIndex((part) => WILDCARD.test(part));
  if (wildcard >= 0 && !parts.slice(wildcard).every((part) => WILDCARD.test(part)))
    return `in "${term}" something follows the x`;
  if (wildcard === 0) return operator === '<' || operator === '>' ? `nothing can be "${term}"` : [];
  const version = parseDockerVersion(wildcard < 0 ? written : parts.slice(0, wildcard).join('.'));
  if (version === null) return `"${term}" is not a version of one to four numbers`;
  if (version.variant !== '')
    return `"${term}" names the variant "${version.variant}", but the variant is that of each device's present tag`;
  return boundsOf(operator, version);
}

function boundsOf(operator: string, version: DockerVersion): Bound[] {
  const { numbers, prerelease } = version;
  const bound = (sign: Bound['operator'], of: Precedence): Bound => ({
    operator: sign,
    version: of,
    asksForPrerelease: of.prerelease !== null,
  });
  const from = bound('>=', version);
  // All that begin with the version: 7.4 and 7.4.9, but of a prerelease only itself.
  const end = (place: number): Bound => bound('<', { numbers: raised(numbers, place), prerelease: null });
  const last = numbers.length - 1;
  switch (operator) {
    case '^': {
      const first = numbers.findIndex((number) => number > 0);
      return [from, end(first < 0 ? last : first)];
    }
    case '~':
      return [from, end(Math.min(1, last))];
    case '>=':
      return [from];
    case '<':
      return [bound('<', version)];
    case '>':
      return [prerelease === null ? bound('>=', { numbers: raised(numbers, last), prerelease }) : bound('>', version)];
    case '<=':
      return [prerelease === null ? end(last) : bound('<=', version)];
    default:
      return prerelease === null ? [from, end(last)] : [from, bound('<=', version)];
  }
}

function raised(numbers: readonly number[], place: number): number[] {
  return numbers.slice(0, place + 1).map((number, index) => (index === place ? number + 1 : number));
}

function holds({ operator, version }: Bound, candidate: Precedence): boolean {
  const order = compareVersions(candidate, version);
  switch (operator) {
    case '>=':
      return order >= 0;
    case '>':
      return order > 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
  }
}

function sameNumbers(a: Precedence, b: Precedence): boolean {
  return compareVersions({ numbers: a.numbers, prerelease: null }, { numbers: b.numbers, prerelease: null }) === 0;
}
