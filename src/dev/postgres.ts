import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { commandLineOf, endProcess, type ProcessRecord } from './leftovers';
import { startProcess, waitUntilReady, type ManagedProcess } from './managed-process';
import { preferredPort } from './ports';
import {
  accountForPostgres,
  findPostgresBinaries,
  prepareDirectory,
  type Account,
  type PostgresBinaries,
} from './postgres-binaries';
import { placeForBinaries, placeForCluster } from './postgres-place';

export interface PostgresOptions {
  /** Holds `postgres/` (the cluster), `postgres.log`, `postgres.password` and `postgres.port`; see `postgres-place.ts` for root. */
  directory: string;
  /** Wanted port; another is taken when it is in use, unless `fixedPort`. */
  port?: number;
  fixedPort?: boolean;
  record?: ProcessRecord;
  /** Holds the cluster, its password and its port instead; PostgreSQL's account must be able to reach it. */
  clusterDirectory?: string;
  /** For tests: nothing has to survive a crash of the machine, so nothing is flushed. */
  volatile?: boolean;
}

export interface PostgresServer {
  readonly port: number;
  readonly process: ManagedProcess;
  /** Connection string of a database on this server, as superuser. */
  url(database: string): string;
  stop(): Promise<void>;
}

/** Not `fleetwave`: a user named like our schema would find its functions without naming it, and hide a missing name. */
const USER = 'postgres';
/** Covers recovery after a crash with a few gigabytes of write-ahead log on a slow disk. */
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
/** Two processes with 20 connections each, the tests' pools, and room to look around with psql. */
const MAX_CONNECTIONS = 200;

/**
 * Starts PostgreSQL on the data directory, making it on first use. Starting again after a stop, a kill -9 of the server or
 * a kill -9 of its parent works and keeps the data, the password and, where free, the port.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  mkdirSync(options.directory, { recursive: true });
  const account = accountForPostgres(join(resolve(options.clusterDirectory ?? options.directory), 'postgres'));
  const binaries = placeForBinaries(findPostgresBinaries(), account);
  const parent = options.clusterDirectory ?? placeForCluster(resolve(options.directory), account);
  const cluster = join(parent, 'postgres');
  const password = keptPassword(join(parent, 'postgres.password'), account);
  if (existsSync(join(cluster, 'PG_VERSION'))) await clearStaleLock(cluster);
  else await initialise(binaries, cluster, join(parent, 'postgres.password'), account);

  const portFile = join(parent, 'postgres.port');
  const wanted = options.port ?? keptPort(portFile);
  const port = options.fixedPort === true && wanted !== undefined ? wanted : await preferredPort(wanted);
  writeFileSync(portFile, String(port));
  const server = await startProcess({
    name: 'PostgreSQL',
    command: binaries.postgres,
    args: ['-D', cluster, '-p', String(port), ...settings(options.volatile ?? false)],
    logFile: join(options.directory, 'postgres.log'),
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    cwd: '/',
    ...account,
    ...(options.record === undefined ? {} : { record: options.record }),
  });
  const url = (database: string) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const stop = async () => {
    await server.stop('SIGINT', STOP_LIMIT_MS);
  };
  try {
    await waitUntilReady(server, READY_LIMIT_MS, () => answers(url('postgres')));
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, process: server, url, stop };
}

function settings(volatile: boolean): string[] {
  const values = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${MAX_CONNECTIONS}`,
    'log_timezone=UTC',
    'timezone=UTC',
    ...(volatile
      ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'wal_level=minimal', 'max_wal_senders=0']
      : []),
  ];
  return values.flatMap((value) => ['-c', value]);
}

/** Initialises under a temporary name and renames it, so that an aborted attempt leaves no half-made cluster. */
async function initialise(
  binaries: PostgresBinaries,
  cluster: string,
  passwordFile: string,
  account: Account | undefined,
): Promise<void> {
  rmSync(cluster, { recursive: true, force: true });
  prepareDirectory(cluster, account);
  const args = [
    '-D',
    cluster,
    '-U',
    USER,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
  ];
  try {
    await promisify(execFile)(binaries.initdb, args, { cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...account });
  } catch (error) {
    rmSync(cluster, { recursive: true, force: true });
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(
      `PostgreSQL could not make its data directory ${cluster}: ${error instanceof Error ? error.message : String(error)}\n${output}`,
    );
  }
}

/** Kept beside the cluster and readable by its owner only: a superuser may run programs, so trust on loopback is too much. */
function keptPassword(path: string, account: Account | undefined): string {
  if (!existsSync(path)) writeFileSync(path, randomBytes(18).toString('hex'), { mode: 0o600 });
  chmodSync(path, 0o600);
  if (account !== undefined) chownSync(path, account.uid, account.gid);
  return readFileSync(path, 'utf8').trim();
}

function keptPort(path: string): number | undefined {
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
}

/**
 * A server that outlived its parent is stopped; a lock file whose process id now belongs to another program is removed,
 * which PostgreSQL itself would take for a running server.
 */
async function clearStaleLock(cluster: string): Promise<void> {
  const lock = join(cluster, 'postmaster.pid');
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0]);
  const command = commandLineOf(pid);
  if (command?.includes(cluster) === true) await endProcess(pid, command, 'SIGINT');
  rmSync(lock, { force: true });
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch (error) {
    // Waiting does not help against these: the password file does not belong to this cluster.
    if (['28P01', '28000'].includes((error as { code?: string }).code ?? '')) {
      throw new Error(
        `PostgreSQL refuses the password kept beside its data: ${(error as Error).message}. Remove the data directory to start afresh.`,
      );
    }
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
