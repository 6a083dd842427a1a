import type { Pool } from 'pg';
import type { TestWorkflowEnvironment } from '@temporalio/testing';

export interface VirtualClock {
  /** The test server's time, in milliseconds. */
  nowMs(): Promise<number>;
  /** Brings the database's clock to the test server's; costs a statement only after a jump. */
  sync(): Promise<void>;
}

/** Below the margin that workflows leave between their clock and the database's. */
const TOLERANCE_MS = 5;

/**
 * Every rule in SQL reads `fleetwave.now()` or `fleetwave.clock()`: in this database both run with the time-skipping server's
 * clock. While no time is skipped that clock runs with the real one, so what is stored is only how far it is ahead.
 */
export async function runByVirtualTime(pool: Pool, env: TestWorkflowEnvironment): Promise<VirtualClock> {
  await pool.query(`
    create table model_clock (ahead interval not null);
    insert into model_clock values ('0');
    create or replace function fleetwave.now() returns timestamptz language sql stable parallel safe
      as 'select statement_timestamp() + (select ahead from public.model_clock)';
    create or replace function fleetwave.clock() returns timestamptz language sql volatile parallel safe
      as 'select clock_timestamp() + (select ahead from public.model_clock)'`);
  let aheadMs = 0;

  return {
    nowMs: () => env.currentTimeMs(),
    async sync() {
      const ahead = (await env.currentTimeMs()) - Date.now();
      if (Math.abs(ahead - aheadMs) <= TOLERANCE_MS) return;
      aheadMs = ahead;
      await pool.query('update model_clock set ahead = make_interval(secs => $1::float8 / 1000)', [ahead]);
    },
  };
}
