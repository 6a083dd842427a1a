import { randomUUID } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundle } from '@temporalio/worker';
import type { Pool } from 'pg';
import { createActivities } from '../../src/activities';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { createTestDatabase } from '../support/database';
import { recordingLogger } from '../support/outage';
import { createWorkflowRig } from '../support/workflow-rig';
import { runByVirtualTime, type VirtualClock } from './clock';
import { observe } from './observe';

/** Which of the next activity calls fail, and whether their work was done before. */
export interface Crash {
  when: 'before' | 'after';
  calls: number;
}

/** The time-skipping server is of no use any more, by no fault of what is tested. */
export class StandsStill extends Error {}

/** A task queue with its worker, and the API's way to Temporal. */
export interface Station {
  gateway: TemporalGateway;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface ModelRig {
  /** Its server hangs: a new one is needed. */
  spoiled: boolean;
  env: TestWorkflowEnvironment;
  bundle: WorkflowBundle;
  pool: Pool;
  clock: VirtualClock;
  crash: Crash;
  /** What activities failed with by themselves; each is a bug, though Temporal tries again. */
  failures: string[];
  /**
   * Keeps workflows in memory between their tasks, or rebuilds them from their history each time. Only the latter may be
   * restarted: the test server goes on giving tasks to the queue of a worker that is gone. One for each sequence: it also loses
   * the first task after a poll that has waited for its whole minute.
   */
  station(cached: boolean): Promise<Station>;
  /** Lets this much time go by. */
  sleep(ms: number): Promise<void>;
  /** Lets this much time go by, and waits until nothing is under way. */
  rest(ms?: number): Promise<void>;
  close(): Promise<void>;
}

/** Waits for it as long as anything happens meanwhile. */
function whileAlive(sleep: Promise<void>, problem: (startedAt: number) => Error | null): Promise<void> {
  const startedAt = Date.now();
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const found = problem(startedAt);
      if (found !== null) reject(found);
    }, 1000);
    sleep.then(resolve, reject).finally(() => {
      clearInterval(timer);
    });
  });
}

/** Real time that may go by while activities are under way, on a machine that has much else to do: longer, and something hangs. */
const HANGS_MS = 600_000;
/** Real time that may go by without one: longer, and the server has lost a workflow task (see tools/test-server). */
const STANDS_STILL_MS = 60_000;
const REST_MS = 1500;
const RECHECK_MS = 400;

/** Real activities on a real database, the real workflow in a real worker; only the time is the test server's. */
export async function createModelRig(): Promise<ModelRig> {
  const { env, bundle, close } = await createWorkflowRig();
  const database = await createTestDatabase();
  const { pool } = database;
  const clock = await runByVirtualTime(pool, env);
  await observe(pool);
  const crash: Crash = { when: 'before', calls: 0 };
  const failures: string[] = [];
  /** Since the last rest began, by activity: tells what goes round in circles. */
  const called = new Map<string, number>();
  let underWay = 0;
  /** When an activity was last under way. */
  let busyAt = 0;

  function problem(startedAt: number): Error | null {
    const now = Date.now();
    if (underWay > 0) busyAt = now;
    if (now - Math.max(busyAt, startedAt) > STANDS_STILL_MS) {
      rig.spoiled = true;
      return new StandsStill('the server skips no time, with no activity under way');
    }
    if (now - startedAt < HANGS_MS) return null;
    rig.spoiled = true;
    const calls = JSON.stringify(Object.fromEntries(called));
    return new Error(`nothing comes to rest in ${String(HANGS_MS / 60_000)} minutes; called meanwhile: ${calls}`);
  }

  /** As the activity, by the virtual clock, failing where it is told to. */
  function wrap<Arguments extends unknown[]>(
    name: string,
    activity: (...given: Arguments) => Promise<unknown>,
  ): (...given: Arguments) => Promise<unknown> {
    return async (...given) => {
      underWay += 1;
      try {
        called.set(name, (called.get(name) ?? 0) + 1);
        await clock.sync();
        const fails = crash.calls > 0 ? crash.when : null;
        if (fails !== null) crash.calls -= 1;
        if (fails === 'before') throw new Error('the worker died before the activity did its work');
        const result = await activity(...given).catch((error: unknown) => {
          failures.push(`${name}: ${String(error)}`);
          throw error;
        });
        if (fails === 'after') throw new Error('the worker died after the activity did its work');
        return result;
      } finally {
        underWay -= 1;
        busyAt = Date.now();
      }
    };
  }
  const activities = Object.fromEntries(
    Object.entries(createActivities({ pool, chunkSize: 2 })).map(([name, activity]) => [
      name,
      wrap(name, activity as (...given: unknown[]) => Promise<unknown>),
    ]),
  );

  async function startStation(cached: boolean): Promise<Station> {
    const taskQueue = `model-${randomUUID()}`;
    const { log } = recordingLogger();
    const config = loadConfig({ TEMPORAL_ADDRESS: env.address, FLEETWAVE_TASK_QUEUE: taskQueue });
    const gateway = createTemporalGateway({ config, log });
    const run = async () => {
      const worker = await Worker.create({
        connection: env.nativeConnection,
        taskQueue,
        workflowBundle: bundle,
        activities,
        maxCachedWorkflows: cached ? 100 : 0,
        shutdownGraceTime: '1 second',
      });
      const running = worker.run();
      return async () => {
        worker.shutdown();
        await running;
      };
    };
    let end = await run();
    return {
      gateway,
      async restart() {
        await end();
        end = await run();
      },
      async stop() {
        await end();
        await gateway.close();
      },
    };
  }

  const rig: ModelRig = {
    spoiled: false,
    env,
    bundle,
    pool,
    clock,
    crash,
    failures,
    station: startStation,
    sleep: (ms) => whileAlive(env.sleep(ms), problem),
    async rest(ms = REST_MS) {
      called.clear();
      const started = Date.now();
      for (let left = ms; ; left = RECHECK_MS) {
        const before = Date.now();
        await rig.sleep(left);
        // The server's clock runs as the real one while a task is under way, and skips what is left once none is.
        if (underWay === 0 && Date.now() - before < left) break;
        const found = problem(started);
        if (found !== null) throw found;
      }
      await clock.sync();
    },
    async close() {
      await database.drop();
      await close();
    },
  };
  return rig;
}
