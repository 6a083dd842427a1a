import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { applyChunk, hasEnded, openBatch } from '../db/apply-batch';
import { forgetSignal } from '../db/batch-signals';
import { readRollout } from '../db/rollout-facts';
import { tally, type Tally } from '../db/tally';
import type { StatusCounts } from '../domain/verdict';
import type { Held } from '../domain/write-permit';
import type { ActivityDeps } from './deps';
import { rolloutMissing } from './failures';
import { readPermit } from './permit';

export interface ApplyBatchResult {
  /** Nobody is left who could be told now; false when a pause, a rollback or the end stopped it. */
  done: boolean;
  /** The rollout's row has ended, by whatever hand: there is nothing to go on with. */
  ended: boolean;
  /** Why devices of the batch are not told yet, and until when. */
  held: Held | null;
  batch: StatusCounts;
  overall: StatusCounts;
  causes?: NonNullable<Tally['causes']>;
}

export function applyActivities({ pool, chunkSize }: ActivityDeps) {
  return {
    /**
     * Writes the target state of those of a batch's devices that may be told now, a few thousand a transaction. Running it
     * twice writes nobody twice (key: a device leaves `pending` in the statement that writes it). Heartbeats after each chunk,
     * and ends early when cancelled. Throws RolloutNotFound.
     */
    async applyBatch(input: { rolloutId: string; batch: number }): Promise<ApplyBatchResult> {
      const { rolloutId, batch } = input;
      let permit = await readPermit({ pool, rolloutId, batch });
      const open = permit.nobody || (await openBatch(pool, rolloutId, batch));
      for (let more = open && !permit.nobody; more && !cancellationSignal().aborted;) {
        const chunk = await applyChunk(pool, rolloutId, batch, chunkSize, permit);
        if (chunk.written > 0) await forgetSignal(pool, input);
        heartbeat(chunk);
        more = chunk.taken === chunkSize;
        if (more || permit.held !== null) permit = await readPermit({ pool, rolloutId, batch, before: permit });
        more &&= !permit.nobody;
      }
      // Not ended but forgotten: to end it as cancelled would hide from a repair that it was under way.
      if (!open && (await readRollout(pool, rolloutId)) === null) throw rolloutMissing(rolloutId);
      const counts = await tally(pool, rolloutId, batch);
      const left = counts.batch.pending ?? 0;
      return {
        done: open && (left === 0 || permit.held !== null),
        ended: !open && (await hasEnded(pool, rolloutId)),
        held: left === 0 ? null : permit.held,
        ...counts,
      };
    },
  };
}
