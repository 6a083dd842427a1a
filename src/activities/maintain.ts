import { heartbeat } from '@temporalio/activity';
import { pruneBodies, pruneDeliveries, pruneEvents, prunePreviews } from '../db/prune';
import type { ActivityDeps } from './deps';

export interface PruneInput {
  olderThanDays: number;
  /** Of webhook bodies; absent in what releases before they were kept have scheduled. */
  bodiesOlderThanDays?: number;
}

export interface PruneResult {
  deliveries: number;
  events: number;
  previews: number;
  bodies: number;
}

const prunings = { deliveries: pruneDeliveries, events: pruneEvents, previews: prunePreviews, bodies: pruneBodies };

export function maintenanceActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Deletes webhook deliveries and their bodies, events of ended rollouts, and previews of plans that are older than the time they are kept. A
     * few thousand rows a statement, so that intake never waits. Running it twice deletes what is left. Heartbeats after each statement.
     */
    async pruneHistory(input: PruneInput): Promise<PruneResult> {
      const result: PruneResult = { deliveries: 0, events: 0, previews: 0, bodies: 0 };
      const { olderThanDays, bodiesOlderThanDays = olderThanDays } = input;
      const bodyDays = Math.min(olderThanDays, bodiesOlderThanDays);
      for (const kind of Object.keys(prunings) as (keyof PruneResult)[]) {
        for (let more = true; more;) {
          const chunk = await prunings[kind](pool, kind === 'bodies' ? bodyDays : olderThanDays);
          result[kind] += chunk.deleted;
          more = chunk.more;
          heartbeat(result);
        }
      }
      return result;
    },
  };
}
