import { mkdtempSync, readdirSync, readFileSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { loadConfig } from '../../src/config';
import { migrate } from '../../src/db/migrate';
import { findTemporal } from '../../src/dev/find-temporal';
import { commandLineOf, ProcessRecord } from '../../src/dev/leftovers';
import { startPostgres } from '../../src/dev/postgres';
import { removePlaceOf } from '../../src/dev/postgres-place';
import { terminalProgress } from '../../src/dev/progress';
import { startTemporalServer } from '../../src/dev/temporal-server';
import { removeDirectory } from './remove-directory';

const PREFIX = 'fleetwave-test-';

/** What the test files read back through process.env, the only thing jest's workers inherit from the global setup. */
export interface ServerFacts {
  FLEETWAVE_TEST_DATABASE_URL: string;
  FLEETWAVE_TEST_TEMPLATE: string;
  FLEETWAVE_TEST_TEMPORAL_ADDRESS: string;
  FLEETWAVE_TEST_TEMPORAL_UI_URL: string;
}

export interface TestServers {
  facts: ServerFacts;
  stop(): Promise<void>;
}

/** Hands the servers from the global setup to the global teardown, which run in the same process. */
export const runningServers = globalThis as { fleetwaveTestServers?: TestServers };

/**
 * One PostgreSQL with a migrated template database and one Temporal dev server for a run of jest. `DATABASE_URL` and
 * `TEMPORAL_ADDRESS` are used instead when given; the database's user must then be allowed to create databases.
 */
export async function startTestServers(): Promise<TestServers> {
  await endAbandonedRuns();
  const config = loadConfig();
  const progress = terminalProgress();
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'owner.pid'), String(process.pid));
  const record = new ProcessRecord(directory);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
    removePlaceOf(directory);
    await removeDirectory(directory);
  };
  try {
    let databaseUrl = config.DATABASE_URL;
    if (databaseUrl === undefined) {
      const postgres = await progress.step('PostgreSQL for the tests', () =>
        startPostgres({ directory, record, volatile: true }),
      );
      stops.push(() => postgres.stop());
      databaseUrl = postgres.url('postgres');
    }
    const template = await progress.step('Template database', () => makeTemplate(databaseUrl));
    stops.push(() => dropDatabase(databaseUrl, template));

    let address = config.TEMPORAL_ADDRESS;
    let uiUrl = config.TEMPORAL_UI_URL ?? '';
    if (address === undefined) {
      const executable = await findTemporal(progress);
      const temporal = await progress.step('Temporal for the tests', () =>
        startTemporalServer({ executable, directory, namespace: 'default', inMemory: true, record }),
      );
      stops.push(() => temporal.stop());
      address = temporal.address;
      uiUrl = temporal.uiUrl;
    }
    return {
      stop,
      facts: {
        FLEETWAVE_TEST_DATABASE_URL: databaseUrl,
        FLEETWAVE_TEST_TEMPLATE: template,
        FLEETWAVE_TEST_TEMPORAL_ADDRESS: address,
        FLEETWAVE_TEST_TEMPORAL_UI_URL: uiUrl,
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeTemplate(databaseUrl: string): Promise<string> {
  const template = `fleetwave_template_${process.pid}`;
  await administer(databaseUrl, `drop database if exists ${template}`, `create database ${template}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${template}`;
  await migrate(url.href);
  return template;
}

async function dropDatabase(databaseUrl: string, name: string): Promise<void> {
  await administer(databaseUrl, `drop database if exists ${name} with (force)`);
}

async function administer(databaseUrl: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A run of jest that was killed with -9 could not tear down; the next run ends its servers and removes its files. */
async function endAbandonedRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const directory = join(tmpdir(), name);
    const owner = ownerOf(directory);
    if (owner === undefined || commandLineOf(owner) !== undefined) continue;
    await new ProcessRecord(directory).endLeftovers();
    removePlaceOf(directory);
    await removeDirectory(directory);
  }
}

function ownerOf(directory: string): number | undefined {
  try {
    return Number(readFileSync(join(directory, 'owner.pid'), 'utf8'));
  } catch {
    return undefined;
  }
}
