import { heartbeat } from '@temporalio/activity';
import { pruneDeliveries, pruneEvents } from '../db/prune';
import type { ActivityDeps } from './deps';

export interface PruneInput {
  olderThanDays: number;
}

export interface PruneResult {
  deliveries: number;
  events: number;
}

export function maintenanceActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Deletes webhook deliveries, and events of ended rollouts, that are older than the time they are kept. A few thousand rows a
     * statement, so that intake never waits. Running it twice deletes what is left. Heartbeats after each statement.
     */
    async pruneHistory(input: PruneInput): Promise<PruneResult> {
      const result: PruneResult = { deliveries: 0, events: 0 };
      for (const [kind, prune] of [['deliveries', pruneDeliveries] as const, ['events', pruneEvents] as const]) {
        for (let more = true; more;) {
          const chunk = await prune(pool, input.olderThanDays);
          result[kind] += chunk.deleted;
          more = chunk.more;
          heartbeat(result);
        }
      }
      return result;
    },
  };
}
