import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  QueryNotRegisteredError,
  QueryRejectedError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type ConnectionOptions,
  type WorkflowHandle,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Config } from '../config';
import type { Logger } from '../log';
import {
  reconcileWorkflowType,
  rolloutWorkflowType,
  searchAttributes,
  statusQuery,
  type DeviceRollbackInput,
  type deviceRollbackWorkflowType,
  type ReconcileInput,
  type RollbackInput,
  type PushMemo,
  type rollbackWorkflowType,
  type RolloutInput,
  type RolloutStatusView,
} from '../workflows/messages';
import { readLatestRun, type LatestRun } from './latest-run';

/** Temporal cannot be asked at the moment. What was asked may still have happened: callers repeat, under the same id. */
export class TemporalUnavailable extends Error {
  override readonly name = 'TemporalUnavailable';
}

export interface StartRequest {
  workflowId: string;
  input: RolloutInput | RollbackInput | DeviceRollbackInput;
  /** One line in the UI's list of workflows. */
  summary: string;
  /** Markdown on the workflow's page. */
  details: string;
  /** What `fleetwave repair` accepts the push again from, should the database forget it. */
  push?: PushMemo;
  /** That of a rollout where it is absent; the others begin with rolling back. */
  type?: typeof rollbackWorkflowType | typeof deviceRollbackWorkflowType;
}

export interface RunningRollout {
  /** Null when it was not started by Fleetwave. */
  rolloutId: string | null;
  runId: string;
}

/** All that the API asks of Temporal, each with a deadline. */
export interface TemporalGateway {
  start(request: StartRequest): Promise<{ runId: string } | 'already_running'>;
  /** What the running workflow of this id was started for; undefined when none is running. */
  runningRollout(workflowId: string): Promise<RunningRollout | undefined>;
  /** Undefined where Temporal has none of this id: never started, or its history is gone. */
  latestRun(workflowId: string): Promise<LatestRun | undefined>;
  /** With a run's id it goes to that run or to none. */
  signal(workflowId: string, name: string, payload?: unknown, runId?: string): Promise<'sent' | 'not_running'>;
  /** What the workflow says of itself; null when it, its worker or Temporal does not answer in time. */
  status(workflowId: string): Promise<RolloutStatusView | null>;
  /** Has one registry looked at now, or finds that an operator's look at it is under way. */
  reconcile(host: string): Promise<{ workflowId: string; started: boolean }>;
  isReachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** A healthy server answers in milliseconds; the rest is for its restarts and for slow networks. */
const CALL_TIMEOUT_MS = 5000;
/** A person waits for the answer, and the database has one too. */
const STATUS_TIMEOUT_MS = 2000;
const REACHABLE_TIMEOUT_MS = 1000;
/** gRPC's own limit is two minutes, so that a push would wait long after Temporal is back. */
const MAX_RECONNECT_MS = 2000;

/** The SDK's ten attempts sleep past the deadline; whoever calls here tries again, and knows how long there is. */
const ATTEMPTS = 3;

/** gRPC status codes that say "not now": cancelled, deadline exceeded, resource exhausted, aborted, unavailable. */
const NOT_NOW = new Set([1, 4, 8, 10, 14]);

/**
 * Connects with the first call and again after each loss. TLS, API key and profile come from Temporal's own environment
 * variables and configuration file; the address and the namespace are Fleetwave's settings where they are set.
 */
export function createTemporalGateway({ config, log }: { config: Config; log: Logger }): TemporalGateway {
  const connection = Connection.lazy(connectionOptions(config));
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  log.debug({ address: connection.options.address, namespace: config.TEMPORAL_NAMESPACE }, 'Temporal is asked here');

  function within<T>(timeoutMs: number, call: () => Promise<T>): Promise<T> {
    return connection.withDeadline(Date.now() + timeoutMs, call).catch((error: unknown) => {
      throw isNotNow(error)
        ? new TemporalUnavailable(`Temporal at ${connection.options.address} cannot be reached`, { cause: error })
        : error;
    });
  }

  return {
    start: (request) => within(CALL_TIMEOUT_MS, () => start(client, config.FLEETWAVE_TASK_QUEUE, request)),
    runningRollout: (workflowId) => within(CALL_TIMEOUT_MS, () => runningRollout(client, workflowId)),
    latestRun: (workflowId) => within(CALL_TIMEOUT_MS, () => readLatestRun(client, workflowId)),
    signal: (workflowId, name, payload, runId) =>
      within(CALL_TIMEOUT_MS, () => signal(client.workflow.getHandle(workflowId, runId), name, payload)),
    status: (workflowId) => within(STATUS_TIMEOUT_MS, () => readStatus(client, workflowId)).catch(nullWhenSilent),
    reconcile: (host) => within(CALL_TIMEOUT_MS, () => reconcile(client, config.FLEETWAVE_TASK_QUEUE, host)),
    isReachable: () =>
      within(REACHABLE_TIMEOUT_MS, () => connection.workflowService.getSystemInfo({})).then(
        () => true,
        () => false,
      ),
    close: () => connection.close(),
  };
}

function connectionOptions(config: Config): ConnectionOptions {
  // The SDK types these for its native connection, whose options are a superset of what is read here.
  const fromEnvironment = loadClientConnectConfig().connectionOptions as ConnectionOptions;
  return {
    ...fromEnvironment,
    ...(config.TEMPORAL_ADDRESS === undefined ? {} : { address: config.TEMPORAL_ADDRESS }),
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: ATTEMPTS }))],
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS },
  };
}

/** A closed run of the same id does not stand in the way: the rows in PostgreSQL decide what is a duplicate. */
async function start(
  client: Client,
  taskQueue: string,
  { workflowId, input, summary, details, type, push }: StartRequest,
): Promise<{ runId: string } | 'already_running'> {
  try {
    const handle = await client.workflow.start(type ?? rolloutWorkflowType, {
      workflowId,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: summary,
      staticDetails: details,
      memo: { rolloutId: input.rolloutId, ...(push === undefined ? {} : { push }) },
      typedSearchAttributes: [
        { key: searchAttributes.image, value: input.image },
        { key: searchAttributes.tag, value: input.tag },
        { key: searchAttributes.status, value: type === undefined ? 'pending' : 'rolling_back' },
      ],
    });
    return { runId: handle.firstExecutionRunId };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'already_running';
    throw error;
  }
}

async function reconcile(
  client: Client,
  taskQueue: string,
  host: string,
): Promise<{ workflowId: string; started: boolean }> {
  const workflowId = `reconcile:${host}`;
  const input: ReconcileInput = { hosts: [host] };
  try {
    await client.workflow.start(reconcileWorkflowType, {
      ...{ workflowId, taskQueue, args: [input] },
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `look at ${host}`,
    });
    return { workflowId, started: true };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return { workflowId, started: false };
    throw error;
  }
}

async function runningRollout(client: Client, workflowId: string): Promise<RunningRollout | undefined> {
  const run = await readLatestRun(client, workflowId);
  return run?.state === 'RUNNING' ? { rolloutId: run.rolloutId, runId: run.runId } : undefined;
}

async function signal(handle: WorkflowHandle, name: string, payload: unknown): Promise<'sent' | 'not_running'> {
  try {
    await (payload === undefined ? handle.signal(name) : handle.signal(name, payload));
    return 'sent';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'not_running';
    throw error;
  }
}

function readStatus(client: Client, workflowId: string): Promise<RolloutStatusView> {
  return client.workflow.getHandle(workflowId).query(statusQuery);
}

function nullWhenSilent(error: unknown): null {
  const silent =
    error instanceof TemporalUnavailable ||
    error instanceof WorkflowNotFoundError ||
    error instanceof QueryNotRegisteredError ||
    error instanceof QueryRejectedError ||
    // FAILED_PRECONDITION: nobody polls the task queue, or the workflow task fails at the moment.
    grpcCodeOf(error) === 9;
  if (!silent) throw error;
  return null;
}

function isNotNow(error: unknown): boolean {
  return (
    NOT_NOW.has(grpcCodeOf(error) ?? -1) ||
    (error instanceof Error && /channel has been shut down/i.test(error.message))
  );
}

/** The SDK wraps some gRPC errors and hands others on as they are. */
function grpcCodeOf(error: unknown): number | null {
  for (let one = error, depth = 0; one instanceof Error && depth < 4; one = one.cause, depth += 1) {
    if (isGrpcServiceError(one)) return one.code;
  }
  return null;
}
