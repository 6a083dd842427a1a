import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Pool } from 'pg';
import { createTemporalGateway } from '../api/temporal';
import type { Config } from '../config';
import type { Logger } from '../log';
import { applyFinding, type ApplyDeps } from './apply';
import { findTrouble } from './find';
import { show, type Finding, type Shown } from './findings';
import { temporalRuns } from './runs';
import { findMissing, makeFit } from './server';

export interface RepairOptions {
  config: Config;
  pool: Pool;
  log: Logger;
  apply: boolean;
  /** An operator knows that the database was restored. */
  restored: boolean;
  progress: (text: string) => void;
}

export interface Repaired extends Shown {
  /** What came of it; null where nothing was to be changed. */
  done: string | null;
  failed: boolean;
}

/**
 * Holds the database and Temporal against each other, and with `apply` mends what does not fit. Safe while API and worker run, and
 * to be done twice: the second time finds nothing.
 */
export async function repair({ config, pool, log, apply, restored, progress }: RepairOptions): Promise<Repaired[]> {
  progress('Temporal is asked, for ten seconds at most');
  const connection = await connect(config);
  const gateway = createTemporalGateway({ config, log });
  try {
    const runs = temporalRuns(connection, config);
    const missing = await findMissing(connection, config);
    const latestRun = (workflowId: string) => gateway.latestRun(workflowId);
    // Without its search attributes a server can be asked for no workflow by them; it has none then.
    const trouble = await findTrouble({ pool, runs, latestRun, progress }, restored);
    const findings = [...missing, ...trouble];
    const deps: ApplyDeps = {
      ...{ pool, runs, progress },
      start: (request) => gateway.start(request),
      makeServerFit: () => makeFit(connection, config),
    };
    const repaired: Repaired[] = [];
    for (const finding of findings)
      repaired.push({ ...show(finding), ...(apply ? await attempt(deps, finding) : { done: null, failed: false }) });
    return repaired;
  } finally {
    await gateway.close();
    await connection.close();
  }
}

/** One that fails does not keep the others from being mended. */
async function attempt(deps: ApplyDeps, finding: Finding): Promise<Pick<Repaired, 'done' | 'failed'>> {
  try {
    return { done: await applyFinding(deps, finding), failed: false };
  } catch (error) {
    return { done: error instanceof Error ? error.message : String(error), failed: true };
  }
}

async function connect(config: Config): Promise<Connection> {
  const { connectionOptions } = loadClientConnectConfig();
  const address = config.TEMPORAL_ADDRESS ?? connectionOptions.address ?? '127.0.0.1:7233';
  const { apiKey, tls, metadata } = connectionOptions;
  return Connection.connect({
    address,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined ? {} : { tls }),
    ...(metadata === undefined ? {} : { metadata }),
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Temporal at ${address} cannot be reached (${reason}). Is it running, and is TEMPORAL_ADDRESS right?`,
      {
        cause: error,
      },
    );
  });
}
