import type { Pool } from 'pg';
import { claimSignal, readBatches, releaseSignal, type WatchedBatch } from '../db/batch-signals';
import type { Touch } from '../db/move-devices';
import { noteworthyOutcome } from '../domain/noteworthy';
import type { Logger } from '../log';

/** Reports are gathered this long before a batch is counted, so that a burst of thousands costs a few counts. */
const GATHER_MS = 150;
/**
 * Counting a batch costs PostgreSQL half a microsecond a device: 45 ms for 100,000. Each API process counts by itself, so that ten
 * of them would keep more than one of its cores busy with a large batch; each rests, and counts for a tenth of its time.
 */
const REST_TIMES = 9;
/** What the outcome of a batch may come later by; the workflow's timer is further apart. */
const LONGEST_REST_MS = 5000;

export interface BatchWatcherDeps {
  pool: Pool;
  log: Logger;
  /** Sends the `health` signal; may fail, the workflow's own timer is the safety net. */
  signal(workflowId: string, signal: 'health', payload: { batch: number }): Promise<unknown>;
}

export interface BatchWatcher {
  touched(touches: readonly Touch[]): void;
  /** Waits for what is under way, and forgets the rest. */
  close(): Promise<void>;
}

/** How long after a look the next one may begin. */
export function restAfter(tookMs: number, gatherMs: number): number {
  return Math.max(gatherMs, Math.min(tookMs * REST_TIMES, LONGEST_REST_MS));
}

/** Tells workflows when the outcome of a batch can have changed: a few signals a batch, however many devices report. */
export function createBatchWatcher(deps: BatchWatcherDeps, gatherMs: number = GATHER_MS): BatchWatcher {
  const dirty = new Map<string, Touch>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let closed = false;
  let looking = false;
  let notBefore = 0;

  function schedule(): void {
    if (timer !== undefined || looking || closed || dirty.size === 0) return;
    const delayMs = Math.max(gatherMs, notBefore - performance.now());
    timer = setTimeout(() => {
      timer = undefined;
      looking = true;
      const beganAt = performance.now();
      running = look().finally(() => {
        looking = false;
        const endedAt = performance.now();
        notBefore = endedAt + restAfter(endedAt - beganAt, gatherMs);
        schedule();
      });
    }, delayMs);
  }

  async function look(): Promise<void> {
    const touches = [...dirty.values()];
    dirty.clear();
    if (touches.length === 0) return;
    try {
      const batches = await readBatches(deps.pool, touches);
      const told = await Promise.allSettled(batches.map(tell));
      // All were tried; the first failure stands for the others in the log.
      for (const result of told) if (result.status === 'rejected') throw result.reason;
    } catch (error) {
      deps.log.warn(
        { err: error },
        'could not look at the batches that devices reported for; their workflows look by themselves',
      );
    }
  }

  async function tell(batch: WatchedBatch): Promise<void> {
    const outcome = noteworthyOutcome(batch);
    if (outcome === batch.signalled) return;
    if (outcome === null) {
      // What was signalled is not so any more: should it come back, that is news.
      if (batch.signalled !== null) await releaseSignal(deps.pool, batch, batch.signalled);
      return;
    }
    if (!(await claimSignal(deps.pool, batch, outcome))) return;
    try {
      await deps.signal(batch.workflowId, 'health', { batch: batch.batch });
    } catch (error) {
      await releaseSignal(deps.pool, batch, outcome);
      throw error;
    }
  }

  return {
    touched(touches) {
      for (const touch of touches) dirty.set(`${touch.rolloutId} ${touch.batch}`, touch);
      schedule();
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
