import { setMaxListeners } from 'node:events';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { createApiClient, type ApiClient } from '../../src/cli/api-client';
import { createPool } from '../../src/db/pool';
import { keepNumber } from '../../src/dev/data-directory';
import { demoConfig, demoEnvironment } from '../../src/dev/demo-setup';
import { freePort } from '../../src/dev/ports';
import { removePlaceOf } from '../../src/dev/postgres-place';
import { silentProgress } from '../../src/dev/progress';
import { startStack, type Stack } from '../../src/dev/stack';
import { mountSmallDisk, type SmallDisk } from './disk';
import { startLink, type Link } from './link';
import { observe } from '../model/observe';
import { removeDirectory } from '../support/remove-directory';
import { observeReports } from './observe-reports';
import { ways, type Way } from './plan';

/** Where runs happen one after another: real servers, and a way of its own between any two of them. */
export interface Place {
  stack: Stack;
  links: Readonly<Record<Way, Link>>;
  /** Where devices and registries find the API. */
  frontUrl: string;
  /** To PostgreSQL and to the API directly: what checks must not be disturbed. */
  pool: Pool;
  api: ApiClient;
  disk: SmallDisk | null;
  /** Why there is no small disk; null where there is one. */
  noDisk: string | null;
  signal: AbortSignal;
  /** What the supervisor noted, and whatever else a reader of a failed run wants to know. */
  note(line: string): void;
}

const STATEMENT_LIMIT_MS = 120_000;

export async function withPlace<T>(
  { signal, note, keep }: Pick<Place, 'signal' | 'note'> & { keep: boolean },
  work: (place: Place) => Promise<T>,
): Promise<T> {
  // One listener for each fault, push and wait.
  setMaxListeners(0, signal);
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-chaos-'));
  chmodSync(directory, 0o755);
  const mounted = mountSmallDisk(join(directory, 'disk'));
  const disk = typeof mounted === 'string' ? null : mounted;
  const targets = new Map<Way, number>();
  const links = Object.fromEntries(
    await Promise.all(ways.map(async (way) => [way, await startLink(() => targets.get(way) ?? 0)])),
  ) as Record<Way, Link>;
  try {
    keepNumber(directory, 'temporal.port', await freePort());
    const stack = await startStack({
      config: demoConfig(directory),
      progress: { ...silentProgress, note },
      signal,
      ...(disk === null ? {} : { clusterDirectory: disk.directory }),
      env: (facts, part) => {
        const database = new URL(facts.databaseUrl);
        targets.set(`${part} to postgres`, Number(database.port));
        database.port = String(links[`${part} to postgres`].port);
        targets.set(`${part} to temporal`, Number(facts.temporalAddress.split(':')[1]));
        const temporal = `127.0.0.1:${String(links[`${part} to temporal`].port)}`;
        return { ...demoEnvironment, LOG_LEVEL: 'warn', DATABASE_URL: database.href, TEMPORAL_ADDRESS: temporal };
      },
    });
    targets.set('devices to api', Number(new URL(stack.apiUrl).port));
    try {
      const pool = createPool({
        ...{
          url: stack.databaseUrl,
          size: 4,
          applicationName: 'fleetwave-chaos',
          statementTimeoutMs: STATEMENT_LIMIT_MS,
        },
        onIdleError: () => undefined,
      });
      try {
        await pool.query("alter system set max_wal_size = '256MB'");
        await pool.query('select pg_reload_conf()');
        await observe(pool);
        await observeReports(pool);
        const api = createApiClient({ url: stack.apiUrl, token: stack.adminToken });
        const frontUrl = `http://127.0.0.1:${String(links['devices to api'].port)}`;
        const noDisk = typeof mounted === 'string' ? mounted : null;
        return await work({ stack, links, frontUrl, pool, api, disk, noDisk, signal, note });
      } finally {
        await pool.end();
      }
    } finally {
      await stack.stop();
    }
  } finally {
    for (const link of Object.values(links)) await link.close();
    disk?.unmount();
    removePlaceOf(directory);
    if (keep) note(`the logs are in ${directory}`);
    else await removeDirectory(directory);
  }
}
