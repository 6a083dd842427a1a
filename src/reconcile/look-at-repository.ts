import { runningTags } from '../db/found-pushes';
import { readKnownTags, recordNames, recordSeen, type SightedTag } from '../db/seen-tags';
import { closeRepository, openRepository } from '../db/watched-repositories';
import { judgeSeen } from '../domain/seen-tag';
import { chooseTags, onlyTag, sameRule, watches, type WatchRule } from '../domain/watched-tags';
import { rememberingRegex } from '../intake/linear-regex';
import type { Asker } from './asker';
import { listWatched } from './list-watched';
import type { Looking } from './looking';
import { someAtOnce } from './some-at-once';
import { takeDue } from './take-due';
import type { DuePush } from './take-push';

export interface WatchedRepository {
  host: string;
  image: string;
  /** Where the registry's API is; what another one has is no news. */
  place: string;
  rules: readonly WatchRule[];
}

export interface RepositoryLook {
  tags: number;
  pending: number;
  leftOut: number;
}

/**
 * Looks at one repository: asks which tags it has and what they point to, remembers it, and takes what is due. Running it twice
 * sees the same twice, which is nothing.
 */
export async function lookAtRepository(
  looking: Looking,
  asker: Asker,
  { host, image, place, rules }: WatchedRepository,
): Promise<RepositoryLook> {
  const { pool, client, limits } = looking;
  const opened = await openRepository(pool, { host, image, place });
  const known = await readKnownTags(pool, image, limits.settleSeconds);
  const regex = rememberingRegex();
  const listed = await listWatched(looking, asker, { image, rules, known, regex });
  if (listed === null) return { tags: 0, pending: 0, leftOut: 0 };

  const before = rules.filter((rule) => opened.rules.some((earlier) => sameRule(earlier, rule)));
  /** Had they been there at the look before, they would be known. */
  const watchedBefore = new Set(
    listed.names.filter((tag) =>
      before.some((rule) => (listed.whole || known.has(tag) || onlyTag(rule) !== null) && watches(rule, tag, regex)),
    ),
  );
  const isNew = (tag: string): boolean => !known.has(tag) && watchedBefore.has(tag);
  const tooMany = listed.names.length > limits.tags;
  const first = new Set(tooMany ? await runningTags(pool, image) : []);
  for (const tag of listed.names) if (isNew(tag) || known.get(tag)?.pendingDigest != null) first.add(tag);
  const chosen = chooseTags(listed.names, first, limits.tags);

  const found = new Set<string>();
  const [seen, due]: [SightedTag[], DuePush[]] = [[], []];
  let pending = 0;
  await someAtOnce(chosen.tags, limits.atOnce, async (tag) => {
    const answer = await asker.ask({ image, tag }, () =>
      client.resolveTag(image, tag, { platforms: false, maxAgeMs: 0 }),
    );
    if (answer.kind !== 'found') return;
    found.add(tag);
    const { digest } = answer;
    const as = judgeSeen(known.get(tag), digest, watchedBefore.has(tag));
    if (as === 'pending' || as === 'waiting') pending += 1;
    if (as === 'due') due.push({ host, image, tag, digest, askedAt: opened.askedAt });
    else if (as !== 'waiting') seen.push({ tag, digest, pending: as === 'pending' });
  });

  await recordSeen(pool, image, seen, opened);
  // There when it was first looked for, so no news whenever it is asked for.
  const names = listed.names.filter((tag) => !found.has(tag) && !known.has(tag) && !watchedBefore.has(tag));
  await recordNames(pool, image, names, opened.askedAt);
  const lookedThrough = rules.filter((rule) => {
    const only = onlyTag(rule);
    return before.includes(rule) || (only === null ? listed.whole : found.has(only));
  });
  const whole = lookedThrough.length === rules.length && !listed.names.some((tag) => isNew(tag) && !found.has(tag));
  await closeRepository(pool, image, { rules: lookedThrough, askedAt: opened.askedAt, whole });
  await takeDue(looking, due);
  return { tags: chosen.tags.length, pending, leftOut: chosen.leftOut };
}
