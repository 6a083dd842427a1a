import { createServer } from 'node:http';
import { createAgentIntake } from '../../src/api/agent-intake';
import { createListener } from '../../src/api/app';
import type { ApiDeps } from '../../src/api/deps';
import { createLastSeen } from '../../src/api/last-seen';
import { createMetrics } from '../../src/api/metrics';
import { createOperators } from '../../src/api/operators';
import { closeServer, listen } from '../../src/api/server';
import type { TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import type { Touch } from '../support/one-report';
import { createLogger } from '../../src/log';
import type { RolloutStatusView } from '../../src/workflows/messages';
import { createTestDatabase, type TestDatabase } from '../support/database';

export const ADMIN_TOKEN = 'admin-token-of-the-tests';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  json: any;
}

/** What the one interface we own to Temporal was asked, and what it answers. */
export interface FakeTemporal extends TemporalGateway {
  signals: { workflowId: string; name: string; payload: unknown }[];
  outcome: 'sent' | 'not_running' | Error;
  view: RolloutStatusView | null;
  reachable: boolean;
}

export interface ApiRig {
  database: TestDatabase;
  deps: ApiDeps;
  url: string;
  temporal: FakeTemporal;
  touches: Touch[];
  call(method: string, path: string, options?: CallOptions): Promise<Reply>;
  /** As the installation's admin. */
  admin(method: string, path: string, body?: unknown): Promise<Reply>;
  token(role: 'viewer' | 'operator' | 'admin'): Promise<string>;
  device(fields?: object): Promise<{ uuid: string; key: string }>;
  close(): Promise<void>;
}

interface CallOptions {
  body?: unknown;
  /** Sent as it is, without a content type of its own. */
  raw?: string | Buffer;
  headers?: Record<string, string>;
  token?: string;
  key?: string;
}

/** The real app over real HTTP and a database of its own; only Temporal is a small fake. */
export async function startApiRig(
  environment: Record<string, string> = {},
  others: Partial<ApiDeps> = {},
): Promise<ApiRig> {
  const database = await createTestDatabase();
  const log = createLogger({ level: 'silent', component: 'test' });
  const config = loadConfig({
    FLEETWAVE_ADMIN_TOKEN: ADMIN_TOKEN,
    TEMPORAL_UI_URL: 'http://temporal.test',
    FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS: '0',
    ...environment,
  });
  const temporal = fakeTemporal();
  const touches: Touch[] = [];
  const deps: ApiDeps = {
    pool: database.pool,
    config,
    log,
    temporal,
    dispatcher: { wake: () => undefined },
    intake: createAgentIntake(database.pool, { touched: (touched) => void touches.push(...touched) }),
    lastSeen: createLastSeen(database.pool, log, { everyMs: 3_600_000 }),
    operators: createOperators(database.pool, ADMIN_TOKEN),
    metrics: createMetrics(database.pool),
    readiness: { stopping: false },
    ...others,
  };
  const server = createServer(createListener(deps));
  const url = await listen(server, 0, '127.0.0.1');

  async function call(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    const headers: Record<string, string> = {};
    if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
    if (options.key !== undefined) headers['x-device-api-key'] = options.key;
    if (options.body !== undefined) headers['content-type'] = 'application/json';
    const body = options.raw ?? (options.body === undefined ? null : JSON.stringify(options.body));
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...options.headers },
      body: body as RequestInit['body'],
      redirect: 'manual',
    } as RequestInit);
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }
  const admin = (method: string, path: string, body?: unknown): Promise<Reply> =>
    call(method, path, { token: ADMIN_TOKEN, ...(body === undefined ? {} : { body }) });

  return {
    database,
    deps,
    url,
    temporal,
    touches,
    call,
    admin,
    token: async (role) => (await admin('POST', '/api/v1/tokens', { name: `a-${role}`, role })).json.token,
    device: async (fields = {}) => {
      const { json } = await admin('POST', '/api/v1/devices', { devices: [fields] });
      return { uuid: json.devices[0].uuid, key: json.devices[0].api_key };
    },
    close: async () => {
      await closeServer(server, 1000);
      await deps.lastSeen.stop();
      await database.drop();
    },
  };
}

function fakeTemporal(): FakeTemporal {
  const fake: FakeTemporal = {
    signals: [],
    outcome: 'sent',
    view: null,
    reachable: true,
    start: () => Promise.resolve({ runId: 'run-1' }),
    runningRollout: () => Promise.resolve(undefined),
    latestRun: () => Promise.resolve(undefined),
    signal: (workflowId, name, payload) => {
      if (fake.outcome instanceof Error) return Promise.reject(fake.outcome);
      fake.signals.push({ workflowId, name, payload });
      return Promise.resolve(fake.outcome);
    },
    status: () => Promise.resolve(fake.view),
    reconcile: (host) => {
      if (fake.outcome instanceof Error) return Promise.reject(fake.outcome);
      return Promise.resolve({ workflowId: `reconcile:${host}`, started: true });
    },
    isReachable: () => Promise.resolve(fake.reachable),
    close: () => Promise.resolve(),
  };
  return fake;
}
