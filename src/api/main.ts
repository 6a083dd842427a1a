import { createServer } from 'node:http';
import { ConfigError, loadConfig, type Config } from '../config';
import { assertSchemaCurrent } from '../db/migrate';
import { createPool } from '../db/pool';
import { listenForTargetChanges } from '../db/target-changes';
import { explainUnreachable } from '../db/unreachable';
import { createLogger, type Logger } from '../log';
import { createAgentIntake } from './agent-intake';
import { createListener } from './app';
import { createBatchWatcher } from './batch-watcher';
import { startDispatcher } from './dispatcher';
import { createLastSeen } from './last-seen';
import { keepHeapSmall } from './heap';
import { legacyWarnings } from './legacy-agents';
import { createMetrics } from './metrics';
import { createOperators } from './operators';
import { tellReturns } from './returns';
import { createSecretsCheck } from './secrets-check';
import { closeServer, createDrain, listen } from './server';
import { createTargetWatch, type TargetWatch } from './target-watch';
import { createTemporalGateway } from './temporal';

/** Agents report every few seconds, and load balancers look as often: longer is waited for nobody. */
const DRAIN_MS = 2000;
/** Above any request's own time; with the drain below the ten seconds that container engines wait. */
const IN_FLIGHT_DEADLINE_MS = 6000;

interface RunningApi {
  stop(): Promise<void>;
}

/** Starts the API: it needs PostgreSQL with the current schema; Temporal may come and go. */
async function startApi(config: Config, log: Logger): Promise<RunningApi> {
  if (config.DATABASE_URL === undefined)
    throw new ConfigError('DATABASE_URL is not set: give it, or run `npm start` for an embedded PostgreSQL');
  const pool = createPool({
    url: config.DATABASE_URL,
    size: config.DATABASE_POOL_SIZE,
    applicationName: 'fleetwave-api',
    onIdleError: (error) => {
      // The error holds the whole client; its message is all there is to know.
      log.warn({ reason: error.message }, 'idle database connection lost');
    },
  });
  try {
    await assertSchemaCurrent(pool);
  } catch (error) {
    await pool.end();
    const explained = explainUnreachable(config.DATABASE_URL, error);
    throw explained === null ? error : new ConfigError(explained);
  }
  const temporal = createTemporalGateway({ config, log });
  const dispatcher = startDispatcher({ pool, log, temporal });
  const watcher = createBatchWatcher({
    pool,
    log,
    signal: (workflowId, name, payload) => temporal.signal(workflowId, name, payload),
  });
  const lastSeen = createLastSeen(pool, log, { written: tellReturns({ pool, log, temporal }) });
  const targetChanges = listenForTargetChanges({
    url: config.DATABASE_LISTEN_URL ?? config.DATABASE_URL,
    pool,
    log,
    changed: (deviceUuids) => {
      targetWatch.changed(deviceUuids);
    },
  });
  const targetWatch: TargetWatch = createTargetWatch({
    pool,
    log,
    limit: config.FLEETWAVE_WAITING_POLLS,
    alive: (uuid) => {
      lastSeen.mark(uuid);
    },
    changes: targetChanges,
  });
  const metrics = createMetrics(pool);
  metrics.watchPolls(targetWatch, targetChanges);
  const intake = createAgentIntake(pool, watcher);
  metrics.watchIntake(intake);
  const readiness = { stopping: false };
  const operators = createOperators(pool, config.FLEETWAVE_ADMIN_TOKEN);
  const secretsCheck = createSecretsCheck({ pool, config, log });
  for (const warning of legacyWarnings(config)) log.warn(warning);
  // Says in the log what is wrong; the API serves what it can.
  await secretsCheck.trouble().catch(() => null);
  const server = createServer(
    createListener({
      pool,
      config,
      log,
      temporal,
      dispatcher,
      intake,
      lastSeen,
      targetWatch,
      operators,
      metrics,
      secretsCheck,
      readiness,
    }),
  );
  const drain = createDrain(server);
  const url = await listen(server, config.PORT, config.HOST);
  log.info({ url }, 'API is listening');

  async function stop(): Promise<void> {
    readiness.stopping = true;
    // The waiting polls are answered by what is still served: both at once.
    await Promise.all([targetWatch.stop(), drain.start(DRAIN_MS)]);
    await closeServer(server, IN_FLIGHT_DEADLINE_MS);
    await Promise.all([dispatcher.stop(), watcher.close(), lastSeen.stop(), targetChanges.stop()]);
    await temporal.close();
    await pool.end();
    log.info('API has stopped');
  }
  let stopped: Promise<void> | undefined;
  return { stop: () => (stopped ??= stop()) };
}

/** The first signal stops in order, the second at once. */
function stopOnSignals(api: RunningApi, log: Logger): void {
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      log.info({ signal }, 'stopping');
      api.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.fatal({ err: error }, 'could not stop in order');
          process.exit(1);
        },
      );
    });
  }
}

async function main(): Promise<void> {
  keepHeapSmall();
  const config = loadConfig();
  const log = createLogger({ level: config.LOG_LEVEL, component: 'api' });
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
  stopOnSignals(await startApi(config, log), log);
}

main().catch((error: unknown) => {
  process.stderr.write(`fleetwave api: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
