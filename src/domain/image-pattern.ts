import { globMatches, literalLength } from './glob';
import { parseImageReference, type ImageReference } from './image-reference';

/** A policy's image pattern as it is matched. */
export interface ImagePattern {
  /** A glob over the normalised image, `docker.io/library/redis`. */
  name: string;
  /** A glob over the tag; `*` where the pattern has no tag part. */
  tag: string;
}

/**
 * Splits a pattern `name[:tag]` and normalises its name as a reference's is:
 * - The tag part begins at the last ":" behind the last "/"; the colon of a port is before one. No tag part: any tag.
 * - `*` stands for any characters but "/", `**` for any characters. Alone as a name, either means every image.
 * - A name without a registry is of docker.io, and of its library if it has one part: `redis*` is
 *   `docker.io/library/redis*`. As in a reference, the first of several parts is a registry if it is `localhost` or has a ".",
 *   a ":" or an upper-case letter, wildcards or not: `*.acme.io/edge/app`. So a first part `*` is a namespace of docker.io.
 * - A name whose first part has `**` is matched against the whole image: with `**` before "/nginx" it is nginx anywhere.
 */
export function parseImagePattern(pattern: string): ImagePattern {
  const colon = pattern.lastIndexOf(':');
  const hasTag = colon > pattern.lastIndexOf('/');
  const written = hasTag ? pattern.slice(0, colon) : pattern;
  return { name: normalizedName(written), tag: hasTag ? pattern.slice(colon + 1) : '*' };
}

/** What is wrong with an image pattern, as one sentence, or null. A pattern that could match nothing is refused. */
export function validatePattern(pattern: string): string | null {
  if (pattern === '') return 'the pattern is empty; "*" matches every image';
  if (pattern.includes('***'))
    return 'the pattern has more than two "*" in a row: "*" matches within a part of the name, "**" across parts';
  if (pattern.includes('@'))
    return 'the pattern has an "@": it is matched against name and tag, a digest cannot be part of it';
  // A digit fits wherever a wildcard may stand in a name, a port or a tag, and keeps every character at its place.
  const parsed = parseImageReference(pattern.replaceAll('*', '0'));
  return parsed.ok
    ? null
    : `the pattern can match no image: ${parsed.error}${pattern.includes('*') ? ' (read with 0 for each "*")' : ''}`;
}

export function patternMatches(pattern: string, reference: Pick<ImageReference, 'image' | 'tag'>): boolean {
  const { name, tag } = parseImagePattern(pattern);
  return globMatches(name, reference.image) && globMatches(tag, reference.tag ?? '');
}

/** What makes one pattern more specific than another, most important first: higher wins. */
const criteria: readonly { of: (pattern: ImagePattern) => number; words: string }[] = [
  { of: ({ name }) => (name.includes('*') ? 0 : 1), words: 'names one image' },
  { of: ({ name }) => literalLength(name), words: 'says more of the name' },
  { of: ({ name }) => -(name.split('**').length - 1), words: 'has fewer "**" in the name' },
  { of: ({ tag }) => (tag.includes('*') ? 0 : 1), words: 'names one tag' },
  { of: ({ tag }) => literalLength(tag), words: 'says more of the tag' },
];

/** Negative when `a` is the more specific pattern, positive when `b` is, 0 when neither. */
export function compareSpecificity(a: string, b: string): number {
  return moreSpecific(a, b)?.order ?? 0;
}

/** The first criterion that tells two patterns apart, or null. */
export function moreSpecific(a: string, b: string): { order: number; words: string } | null {
  const [first, second] = [parseImagePattern(a), parseImagePattern(b)];
  for (const { of, words } of criteria) {
    const order = of(second) - of(first);
    if (order !== 0) return { order, words };
  }
  return null;
}

function normalizedName(written: string): string {
  if (written === '*' || written === '**') return '**';
  const slash = written.indexOf('/');
  const first = slash < 0 ? written : written.slice(0, slash);
  if (first.includes('**')) return written;
  const hasRegistry = slash >= 0 && (first === 'localhost' || /[.:A-Z]/.test(first));
  const registry = !hasRegistry || first === 'index.docker.io' ? 'docker.io' : first;
  const path = hasRegistry ? written.slice(slash + 1) : written;
  const isOfficial = registry === 'docker.io' && !path.includes('/') && !path.includes('**');
  return `${registry}/${isOfficial ? 'library/' : ''}${path}`;
}
