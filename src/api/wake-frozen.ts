import { freezableRollouts, type FreezableRollout, type FreezeRow } from '../db/freezes';
import { freezesImage } from '../domain/freeze';
import type { ApiDeps } from './deps';

/** More rollouts than this at once are looked at by their own timers. */
const MAX_WOKEN = 300;
/** Of the rollouts under way, so many are compared with the freeze's pattern. */
const MAX_COMPARED = 5000;
/** Signals under way at once. */
const TOGETHER = 20;

/**
 * Lets the rollouts that a freeze concerns look at it at once. What fails is only logged: every workflow looks by itself
 * before it writes, and again when a freeze that it waits for was to end.
 */
export async function wakeFrozen({ pool, temporal, log }: ApiDeps, freeze: FreezeRow): Promise<void> {
  try {
    const underWay = await freezableRollouts(pool, freeze.binds, MAX_COMPARED);
    const concerned = underWay.filter((rollout) => freezesImage(freeze.image_pattern, rollout)).slice(0, MAX_WOKEN);
    for (let at = 0; at < concerned.length; at += TOGETHER) await wake(concerned.slice(at, at + TOGETHER));
  } catch (error) {
    // While Temporal is away every signal costs its whole deadline: the first that fails ends it.
    log.warn(
      { err: error, freeze: freeze.id },
      'could not wake the rollouts that a freeze concerns; they look by themselves',
    );
  }

  async function wake(rollouts: FreezableRollout[]): Promise<void> {
    const told = await Promise.allSettled(rollouts.map(({ workflowId }) => temporal.signal(workflowId, 'health', {})));
    for (const result of told) if (result.status === 'rejected') throw result.reason;
  }
}
