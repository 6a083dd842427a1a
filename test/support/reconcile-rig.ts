import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createActivities, type Activities } from '../../src/activities';
import { putRegistry } from '../../src/db/registries';
import { readRound, type RoundRow } from '../../src/db/reconcile-rounds';
import { pushImage } from '../../src/dev/push-image';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { createRegistryClient, type RegistryClient } from '../../src/registry-client/client';
import { storedRegistries } from '../../src/registry-client/stored-registries';
import type { LookLimits } from '../../src/reconcile/looking';
import { createTestDatabase, type TestDatabase } from './database';

/** Every push that is found is logged; a test looks at what became of it. */
const logger = new DefaultLogger('WARN');

export interface ReconcileRig {
  database: TestDatabase;
  /** Of the registry, as in a reference. */
  host: string;
  /** Without what another look has learned, as of another worker. */
  activities(limits?: Partial<LookLimits>): Activities;
  configure(given?: { reconcile?: boolean; url?: string | null }): Promise<void>;
  push(repository: string, tag: string, content: string): Promise<string>;
  look(): Promise<{ tags: number; pending: number; unknown: number; repositories: number }>;
  /** What came to light has waited for its webhook, and is looked at again. */
  settle(): Promise<number>;
  round(): Promise<RoundRow>;
  rollouts(): Promise<{ image: string; tag: string; digest: string | null; trigger: string }[]>;
  stopRegistry(): Promise<void>;
  startRegistry(): Promise<void>;
  close(): Promise<void>;
}

/** The activities that look at registries, on a database and a real registry of their own. */
export async function startReconcileRig(): Promise<ReconcileRig> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-reconcile-'));
  const database = await createTestDatabase();
  const { pool } = database;
  const clients: RegistryClient[] = [];
  let registry: RegistryServer | undefined;
  let port: number | undefined;
  const host = () => `127.0.0.1:${String(port)}`;

  const start = async (): Promise<void> => {
    registry = await startRegistry({ directory, ...(port === undefined ? {} : { port }) });
    if (registry === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
    port = Number(registry.host.split(':')[1]);
  };
  await start();

  const activities = (limits: Partial<LookLimits> = {}): Activities => {
    const client = createRegistryClient({
      findRegistry: storedRegistries(pool, undefined),
      limits: { firstWaitMs: 50, longestWaitMs: 100 },
    });
    clients.push(client);
    const made = createActivities({
      pool,
      chunkSize: 100,
      registries: client,
      lookLimits: { failures: 2, ...limits },
    });
    return Object.fromEntries(
      Object.entries(made).map(([name, activity]) => [
        name,
        (input: never) => new MockActivityEnvironment({}, { logger }).run(activity, input),
      ]),
    ) as unknown as Activities;
  };

  return {
    database,
    host: host(),
    activities,
    async configure({ reconcile = true, url = null } = {}) {
      await putRegistry(pool, {
        ...{ host: host(), url, credentials: null, credentials_kind: null, fingerprint: null },
        ...{ insecure: true, token_realms: [], reconcile, updated_by: 'test' },
      });
    },
    async push(repository, tag, content) {
      return (await pushImage({ registry: host(), repository, tag, content })).digest;
    },
    look: () => activities().reconcileRegistry({ host: host() }),
    async settle() {
      await pool.query("update registry_tags set pending_since = pending_since - interval '121 seconds'");
      return (await activities().confirmFoundPushes({ host: host() })).settled;
    },
    async round() {
      const round = await readRound(pool, host());
      if (round === null) throw new Error('there was no round');
      return round;
    },
    async rollouts() {
      const { rows } = await pool.query<{ image: string; tag: string; digest: string | null; trigger: string }>(
        'select image, tag, digest, trigger from image_rollouts order by created_at',
      );
      return rows;
    },
    startRegistry: start,
    async stopRegistry() {
      await registry?.stop();
    },
    async close() {
      for (const client of clients) client.close();
      await registry?.stop();
      await database.drop();
      rmSync(directory, { recursive: true });
    },
  };
}
