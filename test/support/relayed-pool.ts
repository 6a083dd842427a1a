import type { Pool } from 'pg';
import { createPool } from '../../src/db/pool';
import { freePort } from '../../src/dev/ports';
import { relay, type Relay } from './outage';

/** A pool whose way to the real PostgreSQL can be cut, without stopping what other tests use. */
export interface RelayedPool {
  pool: Pool;
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

export async function relayedPool(databaseUrl: string): Promise<RelayedPool> {
  const port = await freePort();
  const { host } = new URL(databaseUrl);
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${String(port)}`;
  const pool = createPool({
    ...{ url: url.href, size: 5, applicationName: 'fleetwave-test' },
    onIdleError: () => undefined,
  });
  let way: Relay | undefined = await relay(port, host);
  async function cut(): Promise<void> {
    await way?.close();
    way = undefined;
  }
  return {
    pool,
    cut,
    async mend() {
      way ??= await relay(port, host);
    },
    async close() {
      await pool.end();
      await cut();
    },
  };
}
