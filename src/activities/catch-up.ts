import { nextWave, skipDeferred, type NextWave } from '../db/catch-up';
import { readRollout } from '../db/rollout-facts';
import { beating } from './beating';
import type { ActivityDeps } from './deps';
import { rolloutMissing } from './failures';

export function catchUpActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Finds devices that appeared since the plan, and forms a wave of those that are back or new; with `patient` only a wave that
     * is full, or has all who are waited for. Running it twice forms one (key: a wave that has no verdict is given again). Throws RolloutNotFound. Heartbeats while its one transaction runs.
     */
    async nextWave(input: { rolloutId: string; patient?: boolean }): Promise<NextWave> {
      const rollout = await readRollout(pool, input.rolloutId);
      if (rollout === null) throw rolloutMissing(input.rolloutId);
      return beating({ work: () => nextWave(pool, rollout, input.patient ?? false) });
    },

    /** Gives up on the devices that did not return. Running it twice skips them once (key: their state). */
    async skipDeferred(input: { rolloutId: string }): Promise<void> {
      await skipDeferred(pool, input.rolloutId);
    },
  };
}
