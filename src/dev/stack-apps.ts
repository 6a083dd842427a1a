import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { startFleetwaveProcess } from './fleetwave-process';
import { freePort, isPortFree } from './ports';
import { supervise, type StackContext } from './stack-servers';
import type { ServiceHandle } from './supervisor';

export interface AppFacts {
  databaseUrl: string;
  temporalAddress: string;
  temporalUiUrl: string;
  adminToken: string;
  secretsKey: string;
}

/** Long enough for a cold start of Node on a busy machine; a process that fails at once is reported at once. */
const READY_LIMIT_MS = 60_000;
/** Above what the worker and the API give their running work to finish. */
const STOP_LIMIT_MS = 30_000;

/** The API's port is never changed silently, since registries are configured with it; said before anything is started. */
export async function chooseApiPort(wanted: number): Promise<number> {
  if (wanted === 0) return freePort();
  if (await isPortFree(wanted)) return wanted;
  throw new Error(`Port ${wanted} is in use: stop what listens there, or set PORT to another (0 picks a free one).`);
}

export async function startApi(
  context: StackContext,
  facts: AppFacts,
  port: number,
): Promise<{ handle: ServiceHandle; url: string }> {
  const { config } = context;
  // An address that stands for all of them cannot be called on every system; loopback always is among them.
  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? '127.0.0.1' : config.HOST;
  const url = `http://${host}:${port}`;
  const handle = await context.progress.step('API', () =>
    supervise(context, 'API', 'SIGTERM', STOP_LIMIT_MS, (reason) => {
      // Later the API may have to come back while Temporal is away, and take pushes without being ready for everything.
      const path = reason === 'first' ? '/readyz' : '/healthz';
      const env = { ...environment(context, facts, 'api'), PORT: String(port), HOST: config.HOST };
      return startFleetwaveProcess({
        part: 'api',
        directory: context.directory,
        record: context.record,
        env,
        readyLimitMs: READY_LIMIT_MS,
        isReady: () => answersOk(url + path),
      });
    }),
  );
  context.started(handle);
  return { handle, url };
}

export async function startWorker(context: StackContext, facts: AppFacts): Promise<ServiceHandle> {
  const handle = await context.progress.step('Worker', () =>
    supervise(context, 'Worker', 'SIGTERM', STOP_LIMIT_MS, (reason) => {
      const since = Date.now();
      return startFleetwaveProcess({
        part: 'worker',
        directory: context.directory,
        record: context.record,
        env: environment(context, facts, 'worker'),
        readyLimitMs: READY_LIMIT_MS,
        // A worker that came back by itself may find Temporal away; it is not killed for waiting.
        isReady: async () =>
          reason === 'again' ||
          isPolled(
            facts.temporalAddress,
            context.config.TEMPORAL_NAMESPACE,
            context.config.FLEETWAVE_TASK_QUEUE,
            since,
          ),
      });
    }),
  );
  context.started(handle);
  return handle;
}

function environment(context: StackContext, facts: AppFacts, part: 'api' | 'worker'): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DATABASE_URL: facts.databaseUrl,
    TEMPORAL_ADDRESS: facts.temporalAddress,
    TEMPORAL_NAMESPACE: context.config.TEMPORAL_NAMESPACE,
    TEMPORAL_UI_URL: facts.temporalUiUrl,
    FLEETWAVE_TASK_QUEUE: context.config.FLEETWAVE_TASK_QUEUE,
    FLEETWAVE_ADMIN_TOKEN: facts.adminToken,
    FLEETWAVE_SECRETS_KEY: facts.secretsKey,
    FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true',
    ...(typeof context.env === 'function' ? context.env(facts, part) : context.env),
  };
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Whether a worker has polled since it was started; Temporal lists pollers of the last minutes, also those long gone. */
async function isPolled(address: string, namespace: string, taskQueue: string, since: number): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: '2 seconds' });
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    });
    return pollers.some((poller) => Number(poller.lastAccessTime?.seconds ?? 0) * 1000 >= since - 1000);
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
}
