import { hostname } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { mixedBehaviour } from '../../src/agent/simulator/behaviour';
import { startFleet, type DeviceCredentials, type Fleet } from '../../src/agent/simulator/fleet';
import { keptSecretsKey } from '../../src/dev/data-directory';
import { demoEnvironment } from '../../src/dev/demo-setup';
import { builtFile } from '../../src/dev/fleetwave-process';
import { startProcess, waitUntilReady } from '../../src/dev/managed-process';
import { freePort } from '../../src/dev/ports';
import { superviseService, type ServiceHandle } from '../../src/dev/supervisor';
import { startTestStack, type Answer, type TestStack } from './stack-fixture';

/** What one machine of an installation runs. A process that ends stays ended until it is started again. */
export interface Machine {
  /** Of its API, below which `/api/v1` begins. */
  url: string;
  api: ServiceHandle;
  worker: ServiceHandle;
}

export interface TwoMachines {
  stack: TestStack;
  first: Machine;
  second: Machine;
  both: readonly [Machine, Machine];
  /** As the installation's admin, or with the headers that are given instead. */
  call(machine: Machine, method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Plays devices that speak to this machine's API; ends with the machines. */
  play(machine: Machine, devices: readonly DeviceCredentials[]): Fleet;
  close(): Promise<void>;
}

export interface CallOptions {
  body?: unknown;
  /** Instead of JSON: sent as it is. */
  text?: string;
  headers?: Record<string, string>;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const healthy = mixedBehaviour({ seed: 'two machines', shares: {}, appliesTo: () => false });

/** A stack as `npm start` makes it, and beside it another API and another worker on the same PostgreSQL and Temporal. */
export async function startTwoMachines(env: NodeJS.ProcessEnv = {}): Promise<TwoMachines> {
  const stack = await startTestStack(env, { autoRestart: false });
  const closers: (() => Promise<unknown>)[] = [() => stack.close()];
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    const environment = environmentBeside(stack, env);
    const api = await startApiBeside(stack, environment);
    closers.push(() => api.handle.stop());
    const worker = await startWorkerBeside(stack, environment);
    closers.push(() => worker.stop());
    const first = { url: stack.apiUrl, api: stack.api, worker: stack.worker };
    const second = { url: api.url, api: api.handle, worker };
    return {
      ...{ stack, first, second, both: [first, second], close },
      call: (machine, method, path, options = {}) => ask(stack, machine, method, path, options),
      play(machine, devices) {
        const fleet = startFleet({
          ...{ apiUrl: machine.url, devices, seed: machine.url, behaviourOf: healthy },
          ...{ pollIntervalMs: 400, reportIntervalMs: 2000 },
          pace: { updateMs: [50, 200], slowUpdateMs: [500, 900], flapMs: 200 },
        });
        closers.push(() => fleet.stop());
        return fleet;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same settings as the stack gives its own, secrets included: what one seals or signs the other has to open. */
function environmentBeside(stack: TestStack, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...demoEnvironment,
    DATABASE_URL: stack.databaseUrl,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    FLEETWAVE_ADMIN_TOKEN: stack.adminToken,
    FLEETWAVE_SECRETS_KEY: keptSecretsKey(stack.directory),
    FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true',
    HOST: '127.0.0.1',
    ...env,
  };
}

async function startApiBeside(
  stack: TestStack,
  environment: NodeJS.ProcessEnv,
): Promise<{ handle: ServiceHandle; url: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5000) }).then(
      ({ status }) => status === 200,
      () => false,
    );
  const env = { ...environment, PORT: String(port) };
  return { url, handle: await startBeside(stack, 'api', env, isReady) };
}

function startWorkerBeside(stack: TestStack, environment: NodeJS.ProcessEnv): Promise<ServiceHandle> {
  return startBeside(stack, 'worker', environment, (pid) => polls(stack, pid));
}

function startBeside(
  stack: TestStack,
  part: 'api' | 'worker',
  env: NodeJS.ProcessEnv,
  isReady: (pid: number) => Promise<boolean>,
): Promise<ServiceHandle> {
  return superviseService({
    name: `second ${part}`,
    stopSignal: 'SIGTERM',
    stopLimitMs: STOP_LIMIT_MS,
    autoRestart: false,
    report: () => undefined,
    launch: async () => {
      const started = await startProcess({
        name: `second ${part}`,
        command: process.execPath,
        args: [builtFile(part, 'main.js')],
        logFile: join(stack.directory, `second-${part}.log`),
        env,
      });
      await waitUntilReady(started, READY_LIMIT_MS, () => isReady(started.pid)).catch(async (error: unknown) => {
        await started.stop('SIGKILL', 0);
        throw error;
      });
      return started;
    },
  });
}

/** The name under which Temporal knows the worker of this process. */
export function workerIdentity(pid: number): string {
  return `${pid}@${hostname()}`;
}

async function polls(stack: TestStack, pid: number): Promise<boolean> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  try {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace: 'default',
      taskQueue: { name: 'fleetwave' },
      taskQueueType: temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    });
    return pollers.some(({ identity }) => identity === workerIdentity(pid));
  } finally {
    await connection.close();
  }
}

async function ask(
  stack: TestStack,
  machine: Machine,
  method: string,
  path: string,
  { body, text, headers = { authorization: `Bearer ${stack.adminToken}` } }: CallOptions,
): Promise<Answer> {
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const answer = await fetch(`${machine.url}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(sent === undefined ? {} : { body: sent }),
  });
  const answered = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: (answered === '' ? {} : JSON.parse(answered)) as Record<string, unknown>,
  };
}
