import type { Pool } from 'pg';
import { claimPending, postponeStart, type PendingRollout } from '../db/outbox';
import type { Logger } from '../log';
import { lookAfterSilent } from './lost-rollouts';
import { startRollout } from './start-rollout';
import { TemporalUnavailable, type TemporalGateway } from './temporal';

export interface Dispatcher {
  /** Looks at once instead of with the next tick: called after an acceptance was committed. */
  wake: () => void;
  /** Ends after the starts that are under way. */
  stop(): Promise<void>;
}

export interface DispatcherDeps {
  pool: Pool;
  log: Logger;
  temporal: TemporalGateway;
}

/** Finds what a dead process, an outage or a waiting rollout left; a wake-up finds the rest at once. */
const TICK_MS = 1000;
/** Small, so that several processes share a burst and a dead one leaves little behind. */
const GROUP = 10;
/** Above the three calls of one start at their deadlines: a row is not taken twice while somebody still works on it. */
const LEASE_MS = 20_000;
/** How often rollouts are looked for that have lost their workflow: they are few, and no device waits for it. */
const LOST_MS = 60_000;
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/**
 * Starts the workflow of every accepted rollout, and tries until it has happened. While Temporal is away one row at a time
 * is tried, less and less often, and the log says so once when it goes and once when it is back.
 */
export function startDispatcher(deps: DispatcherDeps): Dispatcher {
  const { pool, log } = deps;
  let stopped = false;
  let asked = false;
  let running: Promise<void> | null = null;
  let looking: Promise<void> = Promise.resolve();
  let databaseAway = false;
  const outage = { failures: 0, retryAt: 0 };

  function wake(): void {
    asked = true;
    running ??= run().finally(() => {
      running = null;
      if (asked && !stopped && Date.now() >= outage.retryAt) wake();
    });
  }

  async function run(): Promise<void> {
    while (asked && !stopped && Date.now() >= outage.retryAt) {
      asked = false;
      try {
        const limit = outage.failures > 0 ? 1 : GROUP;
        const claimed = await claimPending(pool, limit, LEASE_MS);
        databaseAway = false;
        await Promise.all(claimed.map(dispatch));
        if (claimed.length === limit) asked = true;
      } catch (error) {
        if (!databaseAway) log.warn({ err: error }, 'accepted rollouts cannot be read: trying again each second');
        databaseAway = true;
      }
    }
  }

  async function dispatch(rollout: PendingRollout): Promise<void> {
    try {
      const outcome = await startRollout(deps, rollout);
      if (outage.failures > 0) log.info({ after_tries: outage.failures }, 'Temporal is reachable again');
      outage.failures = 0;
      outage.retryAt = 0;
      log.debug({ rollout_id: rollout.id, outcome }, 'rollout dispatched');
    } catch (error) {
      const unavailable = error instanceof TemporalUnavailable;
      const message = error instanceof Error ? error.message : String(error);
      if (unavailable) noteOutage(error);
      else if (rollout.lastError !== message)
        log.warn({ err: error, rollout_id: rollout.id }, 'a rollout cannot be started: trying again');
      // In an outage the delay is this process's, not the row's, so that nothing waits once Temporal is back.
      await postponeStart(pool, rollout.id, message, unavailable ? 0 : delayAfter(rollout.attempts));
    }
  }

  function noteOutage(error: TemporalUnavailable): void {
    if (outage.failures === 0)
      log.warn({ err: error }, 'Temporal is away: pushes are accepted and start when it is back');
    // A group that fails together is one failure.
    if (Date.now() < outage.retryAt) return;
    outage.failures += 1;
    outage.retryAt = Date.now() + delayAfter(outage.failures);
  }

  function lookForLost(): void {
    if (outage.failures > 0) return;
    looking = looking
      .then(() => lookAfterSilent(deps))
      .then(wake, (error: unknown) => {
        log.warn({ err: error }, 'cannot look for rollouts that have lost their workflow: trying again in a minute');
      });
  }

  const timer = setInterval(wake, TICK_MS);
  const lostTimer = setInterval(lookForLost, LOST_MS);
  wake();
  return {
    wake,
    async stop() {
      stopped = true;
      clearInterval(timer);
      clearInterval(lostTimer);
      await Promise.all([running, looking]);
    },
  };
}

/** Doubles up to the longest, with jitter downwards so that processes do not come back in step. */
function delayAfter(failures: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}
