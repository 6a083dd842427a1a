import { Runtime, Worker, type LogLevel } from '@temporalio/worker';
import { ConfigError, loadConfig, type Config } from '../config';
import { assertSchemaCurrent, SchemaVersionError } from '../db/migrate';
import { createPool } from '../db/pool';
import { explainUnreachable } from '../db/unreachable';
import { createLogger, type Logger } from '../log';
import { createRegistryClient } from '../registry-client/client';
import { recordHealth } from '../registry-client/health-recorder';
import { storedRegistries } from '../registry-client/stored-registries';
import { connectTemporal } from './connection';
import { scheduleMaintenance } from './maintenance-schedule';
import { workerOptions } from './options';
import { scheduleReconcile } from './reconcile-schedule';
import { registerSearchAttributes } from './register-search-attributes';

/**
 * The worker process. The SDK turns SIGINT and SIGTERM into a graceful stop: what is under way gets its grace time, then
 * `run` returns and the connections are closed.
 */
async function main(config: Config, log: Logger): Promise<void> {
  if (config.DATABASE_URL === undefined)
    throw new ConfigError('DATABASE_URL is not set: give it, or run `npm start` for an embedded PostgreSQL');
  installRuntime(log);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error('stopped before it was connected'));
  process.once('SIGTERM', stop).once('SIGINT', stop);

  const pool = createPool({
    url: config.DATABASE_URL,
    size: config.DATABASE_POOL_SIZE,
    applicationName: 'fleetwave-worker',
    onIdleError: (error) => log.warn({ err: error }, 'an idle database connection broke and was replaced'),
  });
  const registries = createRegistryClient({
    findRegistry: storedRegistries(pool, config.FLEETWAVE_SECRETS_KEY),
    onHealth: recordHealth(pool, log),
  });
  try {
    await assertSchemaCurrent(pool).catch((error: unknown) => {
      throw withRemedy(config.DATABASE_URL ?? '', error);
    });
    const connection = await connectTemporal(config, log, stopping.signal);
    try {
      await registerSearchAttributes(connection, config.TEMPORAL_NAMESPACE);
      await scheduleMaintenance(connection, config);
      await scheduleReconcile(connection, config);
      const worker = await Worker.create(workerOptions(config, pool, connection, registries));
      log.info({ taskQueue: config.FLEETWAVE_TASK_QUEUE, namespace: config.TEMPORAL_NAMESPACE }, 'worker is polling');
      await worker.run();
    } finally {
      await connection.close();
    }
  } finally {
    registries.close();
    await pool.end();
  }
}

/** What whoever starts the worker can mend is told in a sentence, without a stack. */
function withRemedy(url: string, error: unknown): unknown {
  if (error instanceof SchemaVersionError) return new ConfigError(error.message);
  const explained = explainUnreachable(url, error);
  return explained === null ? error : new ConfigError(explained);
}

/** The SDK's own log lines join ours, as JSON, at our level. */
function installRuntime(log: Logger): void {
  const write = (level: LogLevel, message: string, meta?: object): void => {
    const name = level.toLowerCase();
    if (name === 'trace' || name === 'debug' || name === 'info' || name === 'warn' || name === 'error')
      log[name]({ ...meta }, message);
  };
  Runtime.install({
    logger: {
      log: write,
      trace: (message, meta) => write('TRACE', message, meta),
      debug: (message, meta) => write('DEBUG', message, meta),
      info: (message, meta) => write('INFO', message, meta),
      warn: (message, meta) => write('WARN', message, meta),
      error: (message, meta) => write('ERROR', message, meta),
    },
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
}

function explain(error: unknown): never {
  process.stderr.write(`fleetwave worker: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function start(): void {
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    explain(error);
  }
  const log = createLogger({ level: config.LOG_LEVEL, component: 'worker' });
  main(config, log).then(
    () => process.exit(0),
    (error: unknown) => {
      if (error instanceof ConfigError) explain(error);
      log.fatal({ err: error }, error instanceof Error ? error.message : 'the worker ended');
      process.exit(1);
    },
  );
}

start();
