import { hostname } from 'node:os';
import { Connection, type ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { temporal } from '@temporalio/proto';
import { loadConfig } from '../config';

/**
 * The health check of the container image, `node dist/dev/health-main.js api|worker`: the API by its own `/readyz`, the
 * worker by Temporal's answer that a worker on this host polls, because a worker that lost its connection still runs.
 */
async function isHealthy(part: string | undefined): Promise<boolean> {
  const config = loadConfig();
  if (part === 'api') {
    const response = await fetch(`http://127.0.0.1:${config.PORT}/readyz`, { signal: AbortSignal.timeout(4000) });
    return response.ok;
  }
  if (part !== 'worker') throw new Error('usage: health-main.js api|worker');
  // With TLS and key, as the worker itself. The SDK types these for its native connection, whose options are a superset.
  const fromEnvironment = loadClientConnectConfig().connectionOptions as ConnectionOptions;
  const connection = await Connection.connect({
    ...fromEnvironment,
    address: config.TEMPORAL_ADDRESS ?? fromEnvironment.address ?? '127.0.0.1:7233',
    connectTimeout: '4 seconds',
  });
  try {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace: config.TEMPORAL_NAMESPACE,
      taskQueue: { name: config.FLEETWAVE_TASK_QUEUE },
      taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    });
    return pollers.some(({ identity }) => identity?.includes(hostname()) === true);
  } finally {
    await connection.close();
  }
}

isHealthy(process.argv[2]).then(
  (healthy) => process.exit(healthy ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
