import { heartbeat } from '@temporalio/activity';
import { pruneDeliveries, pruneEvents, prunePreviews } from '../db/prune';
import type { ActivityDeps } from './deps';

export interface PruneInput {
  olderThanDays: number;
}

export interface PruneResult {
  deliveries: number;
  events: number;
  previews: number;
}

const prunings = { deliveries: pruneDeliveries, events: pruneEvents, previews: prunePreviews };

export function maintenanceActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Deletes webhook deliveries, events of ended rollouts, and previews of plans that are older than the time they are kept. A
     * few thousand rows a statement, so that intake never waits. Running it twice deletes what is left. Heartbeats after each statement.
     */
    async pruneHistory(input: PruneInput): Promise<PruneResult> {
      const result: PruneResult = { deliveries: 0, events: 0, previews: 0 };
      for (const kind of Object.keys(prunings) as (keyof PruneResult)[]) {
        for (let more = true; more;) {
          const chunk = await prunings[kind](pool, input.olderThanDays);
          result[kind] += chunk.deleted;
          more = chunk.more;
          heartbeat(result);
        }
      }
      return result;
    },
  };
}
