import { existsSync } from 'node:fs';
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import type { Pool } from 'pg';
import { createActivities } from '../activities';
import { defaultChunkSize } from '../activities/deps';
import type { Config } from '../config';
import { createProber } from '../probe/prober';
import type { RegistryClient } from '../registry-client/client';
import { bundlePath } from './bundle-path';

/** Activities each hold a connection while they work; two stay free for whatever else the process asks. */
const SPARE_CONNECTIONS = 2;

/** Everything a worker is made of. The bundle is the build's; source trees without one bundle at the start. */
export function workerOptions(
  config: Config,
  pool: Pool,
  connection: NativeConnection,
  registries: RegistryClient,
): WorkerOptions {
  return {
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: config.FLEETWAVE_TASK_QUEUE,
    ...(existsSync(bundlePath())
      ? { workflowBundle: { codePath: bundlePath() } }
      : { workflowsPath: require.resolve('../workflows') }),
    activities: createActivities({ pool, chunkSize: defaultChunkSize, registries, prober: createProber() }),
    maxConcurrentActivityTaskExecutions: Math.max(config.DATABASE_POOL_SIZE - SPARE_CONNECTIONS, 1),
    // The default of zero would cancel a chunk under way and run it again elsewhere; a chunk ends well within this.
    shutdownGraceTime: '8 seconds',
    // Below the ten seconds that container engines give before they kill.
    shutdownForceTime: '9 seconds',
  };
}
