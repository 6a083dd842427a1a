import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { createApiClient, type ApiClient } from '../src/cli/api-client';
import { createPool } from '../src/db/pool';
import { migrate } from '../src/db/migrate';
import { demoConfig, demoEnvironment } from '../src/dev/demo-setup';
import { removePlaceOf } from '../src/dev/postgres-place';
import { terminalProgress } from '../src/dev/progress';
import { startStack, type Stack } from '../src/dev/stack';
import { waitFor } from '../src/dev/wait-for';

/** Where everything is measured: the servers of one run, which nothing else uses. */
export interface Place {
  quick: boolean;
  signal: AbortSignal;
  stack: Stack;
  api: ApiClient;
  /** The stack's own database. */
  pool: Pool;
  /** A database beside it with the same schema, for what is measured without API and worker. */
  newDatabase(): Promise<{ pool: Pool; drop: () => Promise<void> }>;
  say(text: string): void;
}

/** The largest scan reads a million documents without an index. */
const STATEMENT_LIMIT_MS = 600_000;

/** Starts the servers, with `env` added to that of API and worker, gives them to `work`, and takes everything down again. They write to disk as in production. */
export async function withPlace<T>(
  options: Pick<Place, 'quick' | 'signal' | 'say'> & { env?: NodeJS.ProcessEnv },
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'fleetwave-bench-'));
  chmodSync(directory, 0o755);
  const progress = terminalProgress(options.say);
  try {
    const stack = await startStack({
      config: demoConfig(directory),
      progress,
      signal: options.signal,
      env: { ...demoEnvironment, LOG_LEVEL: 'warn', ...options.env },
    });
    try {
      await countStatements(stack, options.signal);
      const pool = open(stack.databaseUrl);
      try {
        const api = createApiClient({ url: stack.apiUrl, token: stack.adminToken });
        return await work({ ...options, stack, api, pool, newDatabase: () => newDatabase(stack, pool) });
      } finally {
        await pool.end();
      }
    } finally {
      await stack.stop();
    }
  } finally {
    removePlaceOf(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

function open(url: string): Pool {
  return createPool({ url, size: 4, applicationName: 'fleetwave-bench', statementTimeoutMs: STATEMENT_LIMIT_MS });
}

/** Has PostgreSQL count statements and their time; its library is loaded at a start only. */
async function countStatements(stack: Stack, signal: AbortSignal): Promise<void> {
  const pool = open(stack.databaseUrl);
  await pool.query("alter system set shared_preload_libraries = 'pg_stat_statements'");
  await pool.query("alter system set pg_stat_statements.track = 'top'");
  await pool.query('create extension pg_stat_statements');
  await pool.end();
  await stack.postgres?.restart();
  const isReady = async (): Promise<true | undefined> =>
    (await fetch(`${stack.apiUrl}/readyz`).catch(() => undefined))?.status === 200 ? true : undefined;
  await waitFor('the API after a restart of PostgreSQL', isReady, { limitMs: 60_000, signal });
}

async function newDatabase(stack: Stack, pool: Pool): ReturnType<Place['newDatabase']> {
  const name = 'bench_alone';
  await pool.query(`drop database if exists ${name}`);
  await pool.query(`create database ${name}`);
  const url = new URL(stack.databaseUrl);
  url.pathname = `/${name}`;
  await migrate(url.href);
  const own = open(url.href);
  return {
    pool: own,
    async drop() {
      await own.end();
      await pool.query(`drop database ${name}`);
    },
  };
}
