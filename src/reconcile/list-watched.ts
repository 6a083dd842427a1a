import { runningTags } from '../db/found-pushes';
import type { KnownTag } from '../domain/seen-tag';
import type { RegexEngine } from '../domain/tag-rules';
import { onlyTag, watches, type WatchRule } from '../domain/watched-tags';
import type { TagsAnswer } from '../registry-client/answers';
import type { Asker } from './asker';
import type { Looking } from './looking';

/** The tags that are watched, as far as it was learned which there are. */
export interface Listed {
  names: readonly string[];
  /** These are all: a name that is not among what is known was not there before. */
  whole: boolean;
}

export interface Watched {
  image: string;
  rules: readonly WatchRule[];
  known: ReadonlyMap<string, KnownTag>;
  regex: RegexEngine;
}

/**
 * Which tags of an image are watched. Where each rule is about one tag, no list is needed. Where a registry does not give one,
 * what is known and what devices run can be asked for all the same.
 * @returns null where nothing more about the image is to be learned now.
 */
export async function listWatched(
  { pool, client }: Looking,
  asker: Asker,
  { image, rules, known, regex }: Watched,
): Promise<Listed | null> {
  const watched = (tags: Iterable<string>): string[] => [
    ...new Set([...tags].filter((tag) => rules.some((rule) => watches(rule, tag, regex)))),
  ];
  const named = rules.flatMap((rule) => onlyTag(rule) ?? []);
  if (named.length === rules.length) return { names: watched(named), whole: true };
  const answer: TagsAnswer = await asker.ask({ image, tag: null }, () => client.listTags(image));
  switch (answer.kind) {
    case 'found':
      // An empty list is what some registries give to whom they do not know.
      return { names: watched([...answer.tags, ...named]), whole: answer.complete && answer.tags.length > 0 };
    case 'absent':
      return { names: watched(named), whole: false };
    case 'unknown':
      if (answer.reason !== 'refused' && answer.reason !== 'unclear') return null;
      return { names: watched([...known.keys(), ...(await runningTags(pool, image)), ...named]), whole: false };
  }
}
