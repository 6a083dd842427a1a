import { isArtifactTag } from './artifact-tag';
import { compareVersions, parseDockerVersion } from './docker-version';
import { globMatches } from './glob';
import { parseImagePattern } from './image-pattern';
import { parseImageReference } from './image-reference';
import { tagAllowed, type RegexEngine, type TagRule } from './tag-rules';

/** What of a policy says which tags of an image it is about. */
export interface WatchRule {
  /** The tag part of its pattern. */
  tag: string;
  rule: TagRule;
}

export interface WatchingPolicy {
  imagePattern: string;
  tagRule: TagRule;
}

/** Rules that say the same are one, whichever policy has them. */
export function sameRule(a: WatchRule, b: WatchRule): boolean {
  return ruleKey(a) === ruleKey(b);
}

function ruleKey({ tag, rule }: WatchRule): string {
  return JSON.stringify([tag, rule.kind, 'pattern' in rule ? rule.pattern : '', 'range' in rule ? rule.range : '']);
}

export function watches({ tag: glob, rule }: WatchRule, tag: string, regex: RegexEngine): boolean {
  return !isArtifactTag(tag) && globMatches(glob, tag) && tagAllowed(rule, tag, regex).allowed;
}

/** The one tag that a rule is about: it need not be looked for in a list. */
export function onlyTag({ tag, rule }: WatchRule): string | null {
  if (!tag.includes('*')) return tag;
  return rule.kind === 'glob' && !rule.pattern.includes('*') ? rule.pattern : null;
}

/**
 * Whether policies need to know which images of the registry devices run: those whose pattern has a wildcard in the name, that
 * may stand for an image of this host.
 */
export function asksForRunning(policies: readonly WatchingPolicy[], host: string): boolean {
  return policies.some(({ imagePattern }) => {
    const { name } = parseImagePattern(imagePattern);
    const [first = ''] = name.split('/');
    return name.includes('*') && (first.includes('*') || first.toLowerCase() === host);
  });
}

/**
 * By image, what is watched of one registry: images that a pattern names, and of those that devices run the ones that a pattern
 * with wildcards matches.
 */
export function watchedImages(
  policies: readonly WatchingPolicy[],
  host: string,
  running: readonly string[],
): Map<string, WatchRule[]> {
  const watched = new Map<string, WatchRule[]>();
  for (const { imagePattern, tagRule } of policies) {
    const { name, tag } = parseImagePattern(imagePattern);
    const rule = { tag, rule: tagRule };
    const images = name.includes('*') ? running.filter((image) => globMatches(name, image)) : [name];
    for (const image of images) {
      if (!isOf(image, host)) continue;
      const rules = watched.get(image) ?? [];
      if (!rules.some((known) => sameRule(known, rule))) watched.set(image, [...rules, rule]);
    }
  }
  return watched;
}

function isOf(image: string, host: string): boolean {
  const parsed = parseImageReference(image);
  return parsed.ok && parsed.reference.image === image && parsed.reference.registry.toLowerCase() === host;
}

export interface TagChoice {
  /** Tags to ask for, in this order. */
  tags: string[];
  /** Further ones that are watched, and not asked for this time. */
  leftOut: number;
}

/**
 * Which of the watched tags are asked for: those in `first` (new names, what devices run), then the newest versions, then
 * what is no version, by name; no more than `limit`.
 */
export function chooseTags(watched: readonly string[], first: ReadonlySet<string>, limit: number): TagChoice {
  const sorted = [...new Set(watched)].sort(newestFirst);
  const tags = [...sorted.filter((tag) => first.has(tag)), ...sorted.filter((tag) => !first.has(tag))];
  return { tags: tags.slice(0, limit), leftOut: Math.max(tags.length - limit, 0) };
}

/**
 * The order in which pushes that came to light together are accepted. The later one takes the devices over, so the newest
 * version is the last; what is no version is before them all.
 */
export function acceptanceOrder(a: string, b: string): number {
  return -newestFirst(a, b);
}

function newestFirst(a: string, b: string): number {
  const [first, second] = [parseDockerVersion(a), parseDockerVersion(b)];
  if (first === null || second === null) return Number(first === null) - Number(second === null) || compareText(a, b);
  return compareVersions(second, first) || compareText(a, b);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
