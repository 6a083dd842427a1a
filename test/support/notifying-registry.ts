import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createListener } from '../../src/api/app';
import { closeServer, listen } from '../../src/api/server';
import { freePort } from '../../src/dev/ports';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { image, pushImage } from '../integration/registry-client/registry-content';
import { SECRET, startRegistryRig, type RegistryRig } from './registry-deliveries';
import { relayedPool } from './relayed-pool';

export interface Answered {
  status: number;
  outcome: string | undefined;
  message: string;
}

export interface Rollout {
  repository: string;
  tag: string;
  digest: string | null;
}

/** Debian's registry, which notifies the real API over HTTP; API and database can be away for a while. */
export interface NotifyingRegistry {
  rig: RegistryRig;
  registry: RegistryServer;
  /** What the registry was answered since `forget`, in its order. */
  answers: Answered[];
  /** Under `/v2/<repository>` of the registry. */
  base(repository: string): string;
  /** Resolves once everything that was pushed before was answered: the registry's queue is one, and in order. */
  drained(): Promise<void>;
  /** The rollouts that were accepted since `forget`, oldest first. */
  rollouts(): Promise<Rollout[]>;
  forget(): Promise<void>;
  stopApi(): Promise<void>;
  startApi(): Promise<void>;
  cutDatabase(): Promise<void>;
  mendDatabase(): Promise<void>;
  close(): Promise<void>;
}

export const SOURCE = 'registry';
/** No policy matches it. */
const MARKER = 'marker/end';
const DRAINED_LIMIT_MS = 60_000;

export async function startNotifyingRegistry(): Promise<NotifyingRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-notifying-'));
  const rig = await startRegistryRig();
  const port = await freePort();
  const database = await relayedPool(rig.database.url);
  const answers: Answered[] = [];
  const app = createListener({ ...rig.deps, pool: database.pool });
  let server: Server | undefined;
  let markers = 0;

  async function startApi(): Promise<void> {
    server = createServer((request, response) => {
      noteAnswer(response, answers);
      app(request, response);
    });
    await listen(server, port, '127.0.0.1');
  }
  async function stopApi(): Promise<void> {
    if (server !== undefined) await closeServer(server, 1000);
    server = undefined;
  }
  await startApi();
  await rig.source(SOURCE, { kind: 'distribution', secrets: [SECRET] });
  const registry = await startRegistry({
    directory,
    notify: {
      url: `http://127.0.0.1:${String(port)}/api/v1/webhooks/${SOURCE}`,
      headers: { Authorization: `Bearer ${SECRET}` },
    },
  });
  if (registry === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  const base = (repository: string) => `${registry.url}/v2/${repository}`;
  const arrived = async (tag: string) => {
    const { rowCount } = await rig.database.pool.query(
      "select from webhook_deliveries, jsonb_array_elements(results) as result where result->>'tag' = $1",
      [tag],
    );
    return rowCount === 1;
  };

  return {
    rig,
    registry,
    answers,
    base,
    async drained() {
      markers += 1;
      const tag = `marker-${String(markers)}`;
      await pushImage(base(MARKER), tag, image({ architecture: tag, os: 'linux' }));
      const deadline = Date.now() + DRAINED_LIMIT_MS;
      while (!(await arrived(tag))) {
        if (Date.now() > deadline) throw new Error(`the registry has not told of ${tag}: ${JSON.stringify(answers)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async rollouts() {
      const { rows } = await rig.database.pool.query<Rollout>(
        'select repository, tag, digest from image_rollouts order by created_at, id',
      );
      return rows;
    },
    async forget() {
      answers.length = 0;
      await rig.database.pool.query('truncate webhook_deliveries, webhook_requests, image_rollouts cascade');
    },
    stopApi,
    startApi,
    cutDatabase: database.cut,
    mendDatabase: database.mend,
    async close() {
      await registry.stop();
      await stopApi();
      await database.close();
      await rig.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Express sends a body as one chunk with `end`. */
function noteAnswer(response: ServerResponse, answers: Answered[]): void {
  const end = response.end.bind(response) as (...given: unknown[]) => ServerResponse;
  response.end = ((...given: unknown[]) => {
    const [chunk] = given;
    const text = typeof chunk === 'string' || Buffer.isBuffer(chunk) ? chunk.toString() : '{}';
    const body = JSON.parse(text) as { outcome?: string; message?: string; detail?: string };
    answers.push({ status: response.statusCode, outcome: body.outcome, message: body.message ?? body.detail ?? '' });
    return end(...given);
  }) as typeof response.end;
}
