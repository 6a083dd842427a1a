import { execFile } from 'node:child_process';
import { Client } from 'pg';
import { keepNumber, keptNumber } from './data-directory';
import { findTemporal } from './find-temporal';
import { builtFile } from './fleetwave-process';
import type { ProcessRecord } from './leftovers';
import { preferredPort } from './ports';
import { startPostgres, type PostgresServer } from './postgres';
import type { StackOptions } from './stack';
import { superviseService, type ServiceHandle, type ServiceOptions } from './supervisor';
import { startTemporalServer } from './temporal-server';

export interface StackContext extends StackOptions {
  directory: string;
  record: ProcessRecord;
  autoRestart: boolean;
  /** Registers a service to be stopped with the stack; the last registered is stopped first. */
  started: (service: ServiceHandle) => void;
}

const DATABASE = 'fleetwave';
/** Temporal's well-known port, so that `temporal` on the command line finds the embedded server. */
const TEMPORAL_PORT = 7233;
const POSTGRES_STOP_LIMIT_MS = 20_000;
const TEMPORAL_STOP_LIMIT_MS = 10_000;

/** The configured database, else an embedded one that keeps its port while the stack runs. */
export async function provideDatabase(
  context: StackContext,
): Promise<{ url: string; handle: ServiceHandle | undefined }> {
  const { config, directory, progress, record } = context;
  if (config.DATABASE_URL !== undefined) return { url: config.DATABASE_URL, handle: undefined };
  let server: PostgresServer | undefined;
  const handle = await progress.step('PostgreSQL', () =>
    supervise(context, 'PostgreSQL', 'SIGINT', POSTGRES_STOP_LIMIT_MS, async () => {
      server = await startPostgres({
        directory,
        record,
        ...(context.clusterDirectory === undefined ? {} : { clusterDirectory: context.clusterDirectory }),
        ...(server === undefined ? {} : { port: server.port, fixedPort: true }),
      });
      return server.process;
    }),
  );
  context.started(handle);
  if (server === undefined) throw new Error('PostgreSQL was not started');
  await createDatabase(server.url('postgres'));
  return { url: server.url(DATABASE), handle };
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

/** The configured Temporal, else an embedded one whose workflows are kept in the data directory. */
export async function provideTemporal(
  context: StackContext,
): Promise<{ address: string; uiUrl: string; handle: ServiceHandle | undefined }> {
  const { config, directory, progress, record } = context;
  if (config.TEMPORAL_ADDRESS !== undefined) {
    return { address: config.TEMPORAL_ADDRESS, uiUrl: config.TEMPORAL_UI_URL ?? '', handle: undefined };
  }
  const executable = await untilAborted(findTemporal(progress), context.signal);
  const port = await preferredPort(keptNumber(directory, 'temporal.port') ?? TEMPORAL_PORT);
  const uiPort = await preferredPort(config.FLEETWAVE_TEMPORAL_UI_PORT);
  keepNumber(directory, 'temporal.port', port);
  const handle = await progress.step('Temporal', () =>
    supervise(context, 'Temporal', 'SIGTERM', TEMPORAL_STOP_LIMIT_MS, async () => {
      const server = await startTemporalServer({
        executable,
        directory,
        namespace: config.TEMPORAL_NAMESPACE,
        port,
        uiPort,
        record,
        extraArgs: context.temporalArgs ?? [],
      });
      return server.process;
    }),
  );
  context.started(handle);
  return { address: `127.0.0.1:${port}`, uiUrl: config.TEMPORAL_UI_URL ?? `http://127.0.0.1:${uiPort}`, handle };
}

/** Runs the migrations as a process of its own, as the one-shot of a deployment does. */
export async function prepareDatabase(context: StackContext, databaseUrl: string): Promise<void> {
  await context.progress.step('Migrations', async () => {
    const output = await new Promise<string>((resolve, reject) => {
      execFile(
        process.execPath,
        [builtFile('dev', 'migrate-main.js')],
        { env: { ...process.env, DATABASE_URL: databaseUrl } },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`The migrations failed: ${stderr.trim() || error.message}`));
        },
      );
    });
    for (const name of output.split('\n').filter((line) => line !== '')) context.progress.note(`applied ${name}`);
  });
  context.signal?.throwIfAborted();
}

export function supervise(
  context: StackContext,
  name: string,
  stopSignal: NodeJS.Signals,
  stopLimitMs: number,
  launch: ServiceOptions['launch'],
): Promise<ServiceHandle> {
  const { autoRestart, progress } = context;
  return superviseService({
    name,
    launch,
    stopSignal,
    stopLimitMs,
    autoRestart,
    report: (line) => progress.note(line),
  });
}

/** Building Temporal takes minutes; whoever presses Ctrl-C meanwhile does not wait for it. The build ends with this process. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}
