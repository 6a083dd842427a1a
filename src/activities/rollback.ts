import { heartbeat } from '@temporalio/activity';
import { openRollback, restoreChunk, type RestoredChunk } from '../db/restore';
import type { ActivityDeps } from './deps';

export function rollbackActivities({ pool, chunkSize }: ActivityDeps) {
  return {
    /**
     * Puts every device this rollout changed back on its own previous reference, where its target still holds what the
     * rollout wrote. Running it twice restores nobody twice (key: the device's state). Heartbeats after each chunk.
     */
    async restoreDevices(input: { rolloutId: string; reason: string; actor: string }): Promise<void> {
      await openRollback(pool, input.rolloutId, input.reason, input.actor);
      let chunk: RestoredChunk | undefined;
      while (chunk === undefined || chunk.taken === chunkSize) {
        chunk = await restoreChunk(pool, input.rolloutId, chunkSize);
        heartbeat(chunk);
      }
    },
  };
}
