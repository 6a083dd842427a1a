import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import { mixedBehaviour, type BehaviourOf } from '../../src/agent/simulator/behaviour';
import { startFleet, type DeviceCredentials, type Fleet } from '../../src/agent/simulator/fleet';
import { createPool } from '../../src/db/pool';
import { keepNumber } from '../../src/dev/data-directory';
import { demoConfig, demoEnvironment } from '../../src/dev/demo-setup';
import { freePort } from '../../src/dev/ports';
import { removePlaceOf } from '../../src/dev/postgres-place';
import { silentProgress } from '../../src/dev/progress';
import { startStack, type Stack, type StackOptions } from '../../src/dev/stack';
import { dockerHubBody } from './intake';
import { until } from './outage';
import { removeDirectory } from './remove-directory';

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** Everything as processes of its own, as `npm start` runs it, to be killed and stopped one by one. */
export interface TestStack extends Stack {
  pool: Pool;
  /** As the installation's admin; `path` begins below `/api/v1`. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Docker Hub's body to the built-in webhook. */
  push(repository: string, tag: string): Promise<Answer>;
  policy(fields: Record<string, unknown>): Promise<string>;
  /** Creates devices through the API. */
  devices(targets: readonly object[]): Promise<DeviceCredentials[]>;
  /** Plays devices over the agents' protocol; ends with the stack. */
  play(devices: readonly DeviceCredentials[], behaviourOf?: BehaviourOf): Fleet;
  rolloutStatus(rolloutId: string): Promise<string>;
  /** Waits for any of the states, and fails at once in another final one. */
  reaches(rolloutId: string, statuses: readonly string[], timeoutMs?: number): Promise<void>;
  temporalClient(): Promise<Client>;
  /** How often a workflow id was ever started, counted at the server. */
  executions(workflowId: string): Promise<number>;
  log(part: 'api' | 'worker'): string;
  close(): Promise<void>;
}

const FINAL = ['completed', 'rolled_back', 'failed', 'cancelled', 'superseded'];

/** `env` is added to the environment of API and worker. */
export async function startTestStack(
  env: NodeJS.ProcessEnv = {},
  { autoRestart = true }: Pick<StackOptions, 'autoRestart'> = {},
): Promise<TestStack> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-stack-test-'));
  const closers: (() => Promise<unknown>)[] = [
    async () => {
      removePlaceOf(directory);
      await removeDirectory(directory);
    },
  ];
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    // Two files that start their stacks at the same moment would both find Temporal's well-known port free.
    keepNumber(directory, 'temporal.port', await freePort());
    const stack = await startStack({
      config: demoConfig(directory),
      progress: silentProgress,
      env: { ...demoEnvironment, ...env },
      autoRestart,
    });
    closers.push(() => stack.stop());
    const pool = createPool({
      url: stack.databaseUrl,
      size: 10,
      applicationName: 'fleetwave-test',
      onIdleError: () => undefined,
    });
    closers.push(() => pool.end());
    return extend(stack, pool, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function extend(stack: Stack, pool: Pool, closers: (() => Promise<unknown>)[], close: () => Promise<void>): TestStack {
  async function request(
    method: string,
    url: string,
    body: string | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const answer = await fetch(url, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }
  const call: TestStack['call'] = (method, path, body) =>
    request(method, `${stack.apiUrl}/api/v1${path}`, body === undefined ? undefined : JSON.stringify(body), {
      authorization: `Bearer ${stack.adminToken}`,
    });

  async function made(path: string, body: unknown): Promise<Record<string, unknown>> {
    const answer = await call('POST', path, body);
    if (answer.status !== 201) throw new Error(`POST ${path}: ${String(answer.status)} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async function rolloutStatus(rolloutId: string): Promise<string> {
    const { rows } = await pool.query<{ status: string }>('select status from image_rollouts where id = $1', [
      rolloutId,
    ]);
    return rows[0]?.status ?? 'missing';
  }

  // Connected for each use: a connection that outlives a stopped server takes its time to notice that it is back.
  async function temporalClient(): Promise<Client> {
    const connection = await Connection.connect({ address: stack.temporalAddress });
    closers.push(() => connection.close());
    return new Client({ connection, namespace: 'default' });
  }

  return {
    ...stack,
    pool,
    call,
    close,
    rolloutStatus,
    temporalClient,
    push: (repository, tag) =>
      request('POST', `${stack.apiUrl}/api/v1/webhooks/docker-registry`, dockerHubBody(repository, tag), {}),
    policy: async (fields) => String((await made('/image-policies', fields))['id']),
    devices: async (targets) => {
      const body = await made('/devices', { devices: targets.map((apps) => ({ target_state: { apps } })) });
      return (body['devices'] as { uuid: string; api_key: string }[]).map(({ uuid, api_key: apiKey }) => ({
        uuid,
        apiKey,
      }));
    },
    play(devices, behaviourOf = mixedBehaviour({ seed: 'test', shares: {}, appliesTo: () => false })) {
      const pace = { updateMs: [50, 200], slowUpdateMs: [500, 900], flapMs: 200 } as const;
      const fleet = startFleet({
        apiUrl: stack.apiUrl,
        devices,
        seed: 'test',
        behaviourOf,
        pollIntervalMs: 400,
        reportIntervalMs: 2000,
        pace,
      });
      closers.push(() => fleet.stop());
      return fleet;
    },
    async reaches(rolloutId, statuses, timeoutMs = 120_000) {
      let status = '';
      const arrived = async () => {
        status = await rolloutStatus(rolloutId);
        return statuses.includes(status) || FINAL.includes(status);
      };
      await until(arrived, timeoutMs).catch(() => undefined);
      if (!statuses.includes(status))
        throw new Error(`rollout ${rolloutId} is ${status}, not ${statuses.join(' or ')}`);
    },
    async executions(workflowId) {
      const client = await temporalClient();
      let found = 0;
      for await (const execution of client.workflow.list({ query: `WorkflowId = '${workflowId}'` }))
        if (execution.workflowId === workflowId) found += 1;
      return found;
    },
    log: (part) => readFileSync(join(stack.directory, `${part}.log`), 'utf8'),
  };
}

/** A policy without waits: a batch is judged by its reports alone. */
export const hasty = {
  update_strategy: 'staged',
  batches: [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
  batch_delay_seconds: 0,
  health: { timeout_seconds: 120, soak_seconds: 0 },
  rollback_timeout_seconds: 120,
};
