import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import type { ProcessRecord } from './leftovers';
import { startProcess, waitUntilReady, type ManagedProcess } from './managed-process';
import { freePort } from './ports';

export interface TemporalServerOptions {
  /** The `temporal` program, from `findTemporal`. */
  executable: string;
  /** Holds `temporal.db` and `temporal.log`. */
  directory: string;
  namespace: string;
  port?: number;
  uiPort?: number;
  /** Nothing on disk, which saves the tests about half of each transaction. */
  inMemory?: boolean;
  extraArgs?: readonly string[];
  record?: ProcessRecord;
}

export interface TemporalServer {
  readonly address: string;
  readonly port: number;
  readonly uiUrl: string;
  readonly process: ManagedProcess;
  stop(): Promise<void>;
}

/** The first start makes its tables: 0.3 to 1 s on two idle cores, many times that on a loaded machine. */
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;
const STARTS = 3;

/**
 * Starts Temporal's development server with its UI. With a database file its workflows survive a stop, and a kill -9:
 * the store is SQLite in one transaction per step. The server chooses the ports between its own parts a moment before it
 * uses them; where another program took one meanwhile it ends, and is started again.
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  mkdirSync(options.directory, { recursive: true });
  for (let start = 1; ; start += 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('address already in use');
      if (!portTaken || start === STARTS) throw error;
    }
  }
}

async function startOnce(options: TemporalServerOptions): Promise<TemporalServer> {
  const port = options.port ?? (await freePort());
  const uiPort = options.uiPort ?? (await freePort());
  const server = await startProcess({
    name: 'Temporal',
    command: options.executable,
    args: [
      'server',
      'start-dev',
      '--headless=false',
      '--ip=127.0.0.1',
      `--port=${port}`,
      `--ui-port=${uiPort}`,
      `--namespace=${options.namespace}`,
      '--log-level=error',
      '--log-format=json',
      ...(options.inMemory === true ? [] : [`--db-filename=${join(options.directory, 'temporal.db')}`]),
      ...(options.extraArgs ?? []),
    ],
    logFile: join(options.directory, 'temporal.log'),
    env: process.env,
    ...(options.record === undefined ? {} : { record: options.record }),
  });
  const address = `127.0.0.1:${port}`;
  const stop = async () => {
    await server.stop('SIGTERM', STOP_LIMIT_MS);
  };
  try {
    await waitUntilReady(server, READY_LIMIT_MS, () => namespaceAnswers(address, options.namespace));
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, port, uiUrl: `http://127.0.0.1:${uiPort}`, process: server, stop };
}

/** A listening port is not enough: the namespace is registered a moment later, and workers fail without it. */
async function namespaceAnswers(address: string, namespace: string): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: '2 seconds' });
    await connection.workflowService.describeNamespace({ namespace });
    return true;
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
}
