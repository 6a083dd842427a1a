import { planRollout, type PlannedBatch } from '../db/plan-rollout';
import { claimDevices, type Claimed, type QueuedBehind } from '../db/take-over';
import { readRollout } from '../db/rollout-facts';
import type { RolloutStatus } from '../domain/rollout-states';
import type { RolloutRules } from '../domain/rules';
import { beating } from './beating';
import type { ActivityDeps } from './deps';
import { rolloutMissing } from './failures';

export type PlanResult =
  | { outcome: 'ended'; status: RolloutStatus }
  | ({ outcome: 'queued' } & QueuedBehind)
  | {
      outcome: 'planned';
      digest: string | null;
      rules: RolloutRules;
      batches: PlannedBatch[];
      alreadyOnTarget: number;
      /** Absent in plans of older releases, which had no tag rules that leave devices out. */
      leftOut?: number;
      tookOverFrom: string[];
    };

export function planActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Plans the rollout's devices into batches, in the database. Running it twice reads the plan of the first time (key: the
     * rollout's `planned_at`). One that queues is not planned before the older one has ended. Throws RolloutNotFound. Heartbeats while its one statement runs.
     */
    async planRollout(input: { rolloutId: string }): Promise<PlanResult> {
      const rollout = await readRollout(pool, input.rolloutId);
      if (rollout === null) throw rolloutMissing(input.rolloutId);
      const plan = await beating({ work: () => planRollout(pool, rollout) });
      if (plan === null) return { outcome: 'ended', status: rollout.status };
      if ('queuedBehind' in plan) return { outcome: 'queued', ...plan.queuedBehind };
      return { outcome: 'planned', digest: rollout.digest, rules: rollout.rules, ...plan };
    },

    /**
     * Claims the planned devices of a rollout that waited for approval, from older rollouts where need be. Running it twice
     * claims once (key: a claimed device is active). One that queues claims nothing while an older rollout has any of them.
     * Throws RolloutNotFound. Heartbeats.
     */
    async claimDevices(input: { rolloutId: string }): Promise<Claimed> {
      const rollout = await readRollout(pool, input.rolloutId);
      if (rollout === null) throw rolloutMissing(input.rolloutId);
      return beating({ work: () => claimDevices(pool, { ...rollout, queues: rollout.rules.onNewer === 'queue' }) });
    },
  };
}
