import { expireRollback } from '../db/restore';
import { closeBatch, settleByTime, type Due } from '../db/settle';
import { tally, type Tally } from '../db/tally';
import type { StatusCounts } from '../domain/verdict';
import type { ActivityDeps } from './deps';

export interface ReadHealthInput {
  rolloutId: string;
  /** Null looks at all batches at once. */
  batch: number | null;
  /** Null gives each device the soak of its own batch. */
  soakSeconds: number | null;
}

export type ReadHealthResult = Tally & Due;

export interface CloseBatchInput {
  rolloutId: string;
  batch: number;
  status: 'passed' | 'failed' | 'skipped' | 'stopped';
  rule: string;
  explanation: string;
  counts: StatusCounts;
}

export function judgeActivities({ pool }: ActivityDeps) {
  return {
    /**
     * Moves on the devices that only time decides (soaked, timed out, unreachable) and counts them. Running it twice moves
     * nobody twice (key: the state a device leaves). Two statements, no heartbeat. The verdict is the workflow's.
     */
    async readHealth(input: ReadHealthInput): Promise<ReadHealthResult> {
      const due = await settleByTime(pool, input);
      return { ...(await tally(pool, input.rolloutId, input.batch)), ...due };
    },

    /** Stores a batch's verdict with the rule and the numbers. Running it twice keeps the first (key: the batch's end). */
    async closeBatch(input: CloseBatchInput): Promise<void> {
      await closeBatch(pool, input);
    },

    /** Counts a rollback; past its deadline, what is not confirmed is `rollback_failed`. Running it twice is safe (state). */
    async readRollback(input: { rolloutId: string; deadlinePassed: boolean }): Promise<StatusCounts> {
      if (input.deadlinePassed) await expireRollback(pool, input.rolloutId);
      return (await tally(pool, input.rolloutId, null)).overall;
    },
  };
}
