import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { applyChunk, hasEnded, openBatch, type AppliedChunk } from '../db/apply-batch';
import { forgetSignal } from '../db/batch-signals';
import { tally } from '../db/tally';
import type { StatusCounts } from '../domain/verdict';
import type { ActivityDeps } from './deps';

export interface ApplyBatchResult {
  /** False when a pause, a rollback or the end stopped it: what is left is applied by the next call. */
  done: boolean;
  /** The rollout's row has ended, by whatever hand: there is nothing to go on with. */
  ended: boolean;
  batch: StatusCounts;
  overall: StatusCounts;
}

export function applyActivities({ pool, chunkSize }: ActivityDeps) {
  return {
    /**
     * Writes the target state of a batch's devices, a few thousand a transaction. Running it twice writes nobody twice (key:
     * a device leaves `pending` in the statement that writes it). Heartbeats after each chunk, and ends early when cancelled.
     */
    async applyBatch(input: { rolloutId: string; batch: number }): Promise<ApplyBatchResult> {
      const open = await openBatch(pool, input.rolloutId, input.batch);
      let chunk: AppliedChunk | undefined;
      while (open && !cancellationSignal().aborted && (chunk === undefined || chunk.taken === chunkSize)) {
        chunk = await applyChunk(pool, input.rolloutId, input.batch, chunkSize);
        if (chunk.written > 0) await forgetSignal(pool, input);
        heartbeat(chunk);
      }
      const counts = await tally(pool, input.rolloutId, input.batch);
      return {
        done: open && (counts.batch.pending ?? 0) === 0,
        ended: !open && (await hasEnded(pool, input.rolloutId)),
        ...counts,
      };
    },
  };
}
