import { excludeDevices, type Excluded } from '../db/exclude';
import { mergeBatches } from '../db/merge-batches';
import type { PlannedBatch } from '../db/plan-rollout';
import { retryDevices } from '../db/retry';
import type { Held } from '../domain/write-permit';
import type { ActivityDeps } from './deps';
import { readPermit } from './permit';

export interface ExcludeInput {
  rolloutId: string;
  /** The command's own list, a few hundred at most. */
  devices: string[];
  reason: string;
  actor: string;
}

export interface Retried {
  told: number;
  held: Held | null;
}

export function commandActivities({ pool }: ActivityDeps) {
  return {
    /** Leaves devices out; those already told are put back. Running it twice does it once (key: their states). */
    async excludeDevices(input: ExcludeInput): Promise<Excluded> {
      return excludeDevices(pool, input);
    },

    /**
     * Tells failed devices again, as far as windows and freezes let it: those with fewer than `attempt` tries, or all of them
     * where it is null. Running it twice tells nobody twice (key: the state they leave). Devices that refused are left alone.
     * @returns how many devices were told, and what keeps others from it.
     */
    async retryDevices(input: { rolloutId: string; attempt: number | null }): Promise<Retried> {
      const permit = await readPermit({ pool, rolloutId: input.rolloutId, batch: null });
      const told = permit.nobody ? 0 : await retryDevices(pool, input.rolloutId, input.attempt, permit);
      return { told, held: permit.held };
    },

    /**
     * Makes what is left of the plan one batch. Running it twice merges once (key: the batches that have not started).
     * @returns that batch, or null when none is left.
     */
    async mergeBatches(input: { rolloutId: string; actor: string }): Promise<PlannedBatch | null> {
      return mergeBatches(pool, input.rolloutId, input.actor);
    },
  };
}
