import { heartbeat } from '@temporalio/activity';
import { putBackDevice, settlePutBack, type PutBackInput, type PutBackStanding } from '../db/put-back-device';
import { reopenRollout, type Reopened, type ReopenInput } from '../db/reopen';
import { FAILED, openRollback, restoreChunk, TOLD, type RestoredChunk } from '../db/restore';
import { inTransaction } from '../db/transaction';
import { beating } from './beating';
import type { ActivityDeps } from './deps';
import { rolloutMissing } from './failures';

export type { PutBackInput, ReopenInput };

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
      await openRollback(pool, { ...input, scope: input.scope ?? 'all' });
      const statuses = input.scope === 'failed' ? FAILED : TOLD;
      let chunk: RestoredChunk | undefined;
      while (chunk === undefined || chunk.taken === chunkSize) {
        chunk = await inTransaction(pool, (client) =>
          restoreChunk(client, input.rolloutId, chunkSize, { statuses, devices: null }),
        );
        heartbeat(chunk);
      }
    },

    /**
     * An ended rollout is rolling back again, with those of its devices that no newer rollout has. Running it twice reopens it
     * once (key: the run). Throws RolloutNotFound. Heartbeats while its one transaction runs.
     */
    async reopenRollout(input: ReopenInput): Promise<Reopened> {
      const reopened = await beating({ work: () => reopenRollout(pool, input) });
      if (reopened === null) throw rolloutMissing(input.rolloutId);
      return reopened;
    },

    /**
     * Puts one device of an ended rollout back. Running it twice does it once (key: the device's state). Throws RolloutNotFound. Heartbeats.
     */
    async putBackDevice(input: PutBackInput): Promise<{ timeoutSeconds: number }> {
      const timeoutSeconds = await beating({ work: () => putBackDevice(pool, input) });
      if (timeoutSeconds === null) throw rolloutMissing(input.rolloutId);
      return { timeoutSeconds };
    },

    /**
     * How that device stands; `giveUp` says why it is waited for no longer. Running it twice is safe (key: its state). Throws RolloutNotFound.
     */
    async readPutBack(input: {
      rolloutId: string;
      deviceUuid: string;
      giveUp: string | null;
    }): Promise<PutBackStanding> {
      const standing = await settlePutBack(pool, input);
      if (standing === null) throw rolloutMissing(input.rolloutId);
      return standing;
    },
  };
}
