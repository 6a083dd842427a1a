import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Pool, PoolClient } from 'pg';
import { loadConfig } from '../../src/config';
import type { ApiDeps } from '../../src/api/deps';
import { createMetrics } from '../../src/api/metrics';
import { createExpress } from '../../src/api/mount';
import { createOperators } from '../../src/api/operators';
import { triggerUpdateRoute } from '../../src/api/trigger-update';
import { webhookRoutes } from '../../src/api/webhooks';
import type { StoredResult } from '../../src/db/deliveries';
import { recordingLogger } from './outage';

export const ADMIN_TOKEN = 'the-admin-token-of-this-test';

export interface IntakeAnswer extends StoredResult {
  message: string;
  image: string | null;
  tag: string | null;
  results: (StoredResult & {
    registry: string | null;
    repository: string;
    tag: string;
    digest: string | null;
    event_id: string | null;
  })[];
  errors: { path: string; message: string }[];
}

export interface Intake {
  /** Posts raw bytes to the webhook. */
  deliver(
    body: string | Buffer,
    headers?: Record<string, string>,
    query?: string,
  ): Promise<{ status: number; headers: Headers; body: IntakeAnswer }>;
  trigger(body: unknown, token?: string): Promise<{ status: number; body: IntakeAnswer & { detail?: string } }>;
  wakes(): number;
  /** What was logged, as JSON lines. */
  log(): string;
  close(): Promise<void>;
}

/** The intake's routes over HTTP, without the rest of the API and without a dispatcher. */
export async function startIntake(
  pool: Pool,
  environment: Record<string, string> = { FLEETWAVE_ALLOW_UNSIGNED_WEBHOOKS: 'true' },
  wake?: () => void,
): Promise<Intake> {
  let wakes = 0;
  const config = loadConfig({ FLEETWAVE_WEBHOOK_DEBOUNCE_SECONDS: '0', ...environment });
  const { log, lines } = recordingLogger();
  const operators = createOperators(pool, ADMIN_TOKEN);
  const dispatcher = {
    wake() {
      wakes += 1;
      wake?.();
    },
  };
  const deps = { pool, config, log, dispatcher, metrics: createMetrics(pool) } as unknown as ApiDeps;
  const routes = [...webhookRoutes(deps), triggerUpdateRoute(deps)];
  const server = createExpress(routes, { ...deps, operators }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/api/v1`;
  return {
    async deliver(body, headers = { 'content-type': 'application/json' }, query = '') {
      const answer = await fetch(`${base}/webhooks/docker-registry${query}`, {
        method: 'POST',
        body: new Uint8Array(Buffer.from(body)),
        headers,
      });
      return { status: answer.status, headers: answer.headers, body: (await answer.json()) as IntakeAnswer };
    },
    async trigger(body, token = ADMIN_TOKEN) {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
      const answer = await fetch(`${base}/images/trigger-update`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers,
      });
      return { status: answer.status, body: (await answer.json()) as IntakeAnswer };
    },
    wakes: () => wakes,
    log: () => lines.map((line) => JSON.stringify(line)).join('\n'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

export function webhookFixture(name: string): string {
  return readFileSync(join(__dirname, '..', 'fixtures', 'webhooks', `${name}.json`), 'utf8');
}

/** What GitHub's and Harbor's kind of sender puts into `X-Hub-Signature-256`. */
export function sign(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** Docker Hub's body as somebody would write it by hand. */
export function dockerHubBody(repository: string, tag: string, pushedAt?: number): string {
  return JSON.stringify({
    repository: { repo_name: repository },
    push_data: { tag, ...(pushedAt === undefined ? {} : { pushed_at: pushedAt }) },
  });
}

export interface EventFields {
  id: string;
  tag: string;
  digest: string;
  timestamp?: string;
  repository?: string;
}

/** Distribution's envelope with one tagged push. */
export function envelope({ id, tag, digest, timestamp, repository = 'team/api' }: EventFields): string {
  const target = { mediaType: 'application/vnd.oci.image.index.v1+json', digest, repository, tag };
  return JSON.stringify({
    events: [{ id, timestamp, action: 'push', target, request: { host: 'registry.example.com:5000' } }],
  });
}

export function digestOf(character: string): string {
  return `sha256:${character.repeat(64)}`;
}

/** A policy for everything that matches, rolled out at once or staged. */
export async function addPolicy(
  pool: Pool,
  pattern: string,
  settings: object = {},
  strategy = 'staged',
): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    'insert into image_update_policies (image_pattern, update_strategy, settings) values ($1, $2, $3) returning id',
    [pattern, strategy, JSON.stringify(settings)],
  );
  return rows[0]?.id ?? '';
}

/** How many statements the work sent to PostgreSQL, `begin` and `commit` included. */
export async function countStatements(pool: Pool, work: (counted: Pool) => Promise<void>): Promise<string[]> {
  const statements: string[] = [];
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const counted = Object.create(pool) as Pool;
  counted.query = ((text: string, values: unknown[]) => {
    statements.push(text);
    return pool.query(text, values);
  }) as unknown as Pool['query'];
  counted.connect = async () => {
    const client = await connect();
    return new Proxy(client, {
      get(target, property) {
        const value = Reflect.get(target, property) as unknown;
        if (typeof value !== 'function') return value;
        if (property !== 'query') return value.bind(target) as unknown;
        return (text: string, values: unknown[]) => {
          statements.push(text);
          return target.query(text, values);
        };
      },
    });
  };
  await work(counted);
  return statements;
}
