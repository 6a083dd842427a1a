import type { Config } from '../config';
import { claimDataDirectory, forgetApiUrl, keepApiUrl, keptAdminToken, keptSecretsKey } from './data-directory';
import { ProcessRecord } from './leftovers';
import type { Progress } from './progress';
import { chooseApiPort, startApi, startWorker, type AppFacts } from './stack-apps';
import { prepareDatabase, provideDatabase, provideTemporal, type StackContext } from './stack-servers';
import type { ServiceHandle } from './supervisor';

export interface StackOptions {
  config: Config;
  progress: Progress;
  /** Starts a service again when it ends unasked. On unless a test wants to look at the world without it. */
  autoRestart?: boolean;
  /** Added to the environment of API and worker; a function is asked at each start of one, and may lead it elsewhere. */
  env?: NodeJS.ProcessEnv | ((facts: AppFacts, part: 'api' | 'worker') => NodeJS.ProcessEnv);
  /** Where the embedded PostgreSQL keeps its cluster, instead of with the rest: a file system of its own. */
  clusterDirectory?: string;
  /** More arguments for the embedded Temporal server, such as `--dynamic-config-value=...`. */
  temporalArgs?: readonly string[];
  /** Given up between two steps once aborted; what was started is stopped. */
  signal?: AbortSignal;
}

export interface Stack {
  readonly apiUrl: string;
  readonly temporalUiUrl: string;
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly adminToken: string;
  /** Whether the token was made here, not configured; only then may it be printed. */
  readonly adminTokenMade: boolean;
  readonly directory: string;
  readonly api: ServiceHandle;
  readonly worker: ServiceHandle;
  /** Undefined where `TEMPORAL_ADDRESS` or `DATABASE_URL` names a server of somebody else. */
  readonly temporal: ServiceHandle | undefined;
  readonly postgres: ServiceHandle | undefined;
  /** Stops API, worker, Temporal and PostgreSQL, in this order. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Runs everything on one machine: PostgreSQL, Temporal with its UI, migrations, API and worker. Resolves when the API is
 * ready and the worker polls; when a step fails, what was started before it is stopped again.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { config, progress } = options;
  const { directory, release } = claimDataDirectory(config.FLEETWAVE_DATA_DIR);
  const record = new ProcessRecord(directory);
  const services: ServiceHandle[] = [];
  const stop = async () => {
    forgetApiUrl(directory);
    for (const service of services.splice(0).reverse()) await service.stop();
    release();
  };
  const context: StackContext = {
    ...options,
    directory,
    record,
    autoRestart: options.autoRestart ?? true,
    started: (service) => {
      services.push(service);
      options.signal?.throwIfAborted();
    },
  };
  try {
    for (const name of await record.endLeftovers()) progress.note(`ended the ${name} that an earlier run left behind`);
    const port = await chooseApiPort(config.PORT);
    const database = await provideDatabase(context);
    const temporal = await provideTemporal(context);
    await prepareDatabase(context, database.url);
    const facts: AppFacts = {
      databaseUrl: database.url,
      temporalAddress: temporal.address,
      temporalUiUrl: temporal.uiUrl,
      adminToken: config.FLEETWAVE_ADMIN_TOKEN ?? keptAdminToken(directory),
      secretsKey: config.FLEETWAVE_SECRETS_KEY ?? keptSecretsKey(directory),
    };
    const worker = await startWorker(context, facts);
    const { handle: api, url: apiUrl } = await startApi(context, facts, port);
    keepApiUrl(directory, apiUrl);
    return {
      ...facts,
      apiUrl,
      adminTokenMade: config.FLEETWAVE_ADMIN_TOKEN === undefined,
      directory,
      api,
      worker,
      temporal: temporal.handle,
      postgres: database.handle,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
