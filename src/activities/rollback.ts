import { heartbeat } from '@temporalio/activity';
import { FAILED, openRollback, restoreChunk, TOLD, type RestoredChunk } from '../db/restore';
import type { ActivityDeps } from './deps';

export interface RestoreInput {
  rolloutId: string;
  reason: string;
  actor: string;
  /** All where it is absent. */
  scope?: 'all' | 'failed';
}

export function rollbackActivities({ pool, chunkSize }: ActivityDeps) {
  return {
    /**
     * Puts every device this rollout changed, or with `scope` failed only those that failed, back on its own previous reference, where its target still holds what the
     * rollout wrote. Running it twice restores nobody twice (key: the device's state). Heartbeats after each chunk.
     */
    async restoreDevices(input: RestoreInput): Promise<void> {
      await openRollback(pool, input.rolloutId, input.reason, input.actor);
      const statuses = input.scope === 'failed' ? FAILED : TOLD;
      let chunk: RestoredChunk | undefined;
      while (chunk === undefined || chunk.taken === chunkSize) {
        chunk = await restoreChunk(pool, input.rolloutId, chunkSize, { statuses, devices: null });
        heartbeat(chunk);
      }
    },
  };
}
