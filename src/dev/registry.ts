import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../config';
import { findOnPath } from './find-on-path';
import { startProcess, waitUntilReady, type ManagedProcess } from './managed-process';
import { freePort } from './ports';

export interface RegistryOptions {
  /** Holds the images, the configuration and the log. */
  directory: string;
  port?: number;
  /** Where the registry sends its notifications, with these headers. */
  notify?: { url: string; headers?: Record<string, string> };
  /** Leaves pulls and blobs out of the notifications; without it Fleetwave has to ignore them. */
  manifestPushesOnly?: boolean;
  /** Its `auth` section; without one everybody may do everything. */
  auth?: object;
}

export interface RegistryServer {
  /** host:port, as in an image reference. */
  readonly host: string;
  readonly url: string;
  readonly process: ManagedProcess;
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5000;

/** Starts Debian's `docker-registry` on loopback; undefined where the machine has none. */
export async function startRegistry(options: RegistryOptions): Promise<RegistryServer | undefined> {
  const program = findOnPath('docker-registry', loadConfig().PATH ?? '');
  if (program === undefined) return undefined;
  const host = `127.0.0.1:${options.port ?? (await freePort())}`;
  const configuration = join(options.directory, 'registry.json');
  mkdirSync(join(options.directory, 'registry'), { recursive: true });
  writeFileSync(configuration, JSON.stringify(configurationOf(host, options), undefined, 2));
  const server = await startProcess({
    name: 'Registry',
    command: program,
    args: ['serve', configuration],
    logFile: join(options.directory, 'registry.log'),
    env: process.env,
  });
  const stop = async () => {
    await server.stop('SIGTERM', STOP_LIMIT_MS);
  };
  try {
    await waitUntilReady(server, READY_LIMIT_MS, async () => {
      const status = (await fetch(`http://${host}/v2/`).catch(() => undefined))?.status;
      return status === 200 || (status === 401 && options.auth !== undefined);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, url: `http://${host}`, process: server, stop };
}

/** The registry reads YAML, of which JSON is a part. */
function configurationOf(host: string, options: RegistryOptions): object {
  const { notify } = options;
  const headers = Object.fromEntries(Object.entries(notify?.headers ?? {}).map(([name, value]) => [name, [value]]));
  const ignored = { mediatypes: ['application/octet-stream'], actions: ['pull', 'mount', 'delete'] };
  const endpoint = {
    name: 'fleetwave',
    url: notify?.url,
    headers,
    timeout: '5s',
    threshold: 3,
    // Short, so that a delivery that met a restarting API is repeated soon.
    backoff: '1s',
    ...(options.manifestPushesOnly === true ? { ignore: ignored } : {}),
  };
  return {
    version: 0.1,
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(options.directory, 'registry') }, delete: { enabled: true } },
    http: { addr: host },
    ...(options.auth === undefined ? {} : { auth: options.auth }),
    ...(notify === undefined ? {} : { notifications: { endpoints: [endpoint] } }),
  };
}
