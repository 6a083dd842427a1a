import { readRipeTags } from '../db/seen-tags';
import { createAsker } from './asker';
import type { Looking } from './looking';
import { someAtOnce } from './some-at-once';
import { takeDue } from './take-due';
import type { DuePush } from './take-push';

/** Taken in one go; what is more is taken by the next round. */
const LIMIT = 500;

/**
 * Asks once more for what came to light and had its time: what is still there is taken, the rest is for the next round to see.
 * @returns how many were taken or found to have been told of.
 */
export async function lookAgain(looking: Looking, host: string): Promise<number> {
  const { pool, client, limits } = looking;
  const asker = createAsker(looking);
  const due: DuePush[] = [];
  await someAtOnce(await readRipeTags(pool, host, limits.settleSeconds, LIMIT), limits.atOnce, async (ripe) => {
    const { image, tag, digest, askedAt } = ripe;
    const answer = await asker.ask({ image, tag }, () =>
      client.resolveTag(image, tag, { platforms: false, maxAgeMs: 0 }),
    );
    if (answer.kind === 'found' && answer.digest === digest) due.push({ host, image, tag, digest, askedAt });
  });
  await takeDue(looking, due);
  return due.length;
}
