import { acceptanceOrder } from '../domain/watched-tags';
import type { Looking } from './looking';
import { takePush, type DuePush } from './take-push';

/** Takes what is due, one after the other in the order in which the later one is to win. */
export async function takeDue({ pool, limits, log, beat }: Looking, due: readonly DuePush[]): Promise<void> {
  for (const push of [...due].sort((a, b) => acceptanceOrder(a.tag, b.tag))) {
    beat();
    const taken = await takePush(pool, push, limits.settleSeconds);
    if (taken.as !== 'accepted' || !taken.missed) continue;
    const { host, image, tag, digest } = push;
    const results = taken.results.map(({ outcome, rollout_id }) => ({ outcome, rollout_id }));
    log.info('a push was found at its registry of which no webhook told', { host, image, tag, digest, results });
  }
}
