import { Pool, types, type PoolClient } from 'pg';

export interface DatabasePoolOptions {
  url: string;
  size: number;
  /** Shown in `pg_stat_activity`, so that a stuck query names its process. */
  applicationName: string;
  /** Longer than any statement here should take; one that needs more sets its own limit in its transaction. */
  statementTimeoutMs?: number;
  /** How much longer than that an answer is waited for. */
  silenceMs?: number;
  /** Told when a connection breaks while idle; the pool has replaced it already. */
  onIdleError?: (error: Error) => void;
}

/** A request must not wait for ever for a database that is away: the caller answers 503 or retries. */
const CONNECTION_TIMEOUT_MS = 5000;
const STATEMENT_TIMEOUT_MS = 30_000;
/**
 * PostgreSQL ends a statement at its limit and says so. Where nothing comes, not even that, the connection is dead and nobody told
 * this side of it: a firewall that forgot it, a machine that is gone.
 */
export const SILENCE_MS = 5000;
/** A session that a crashed caller left inside a transaction gives its locks back. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * A pool whose `bigint` columns arrive as numbers. Without an error listener an idle connection that the server closes
 * would end the process.
 */
export function createPool(options: DatabasePoolOptions): Pool {
  const { statementTimeoutMs = STATEMENT_TIMEOUT_MS, silenceMs = SILENCE_MS } = options;
  const pool = new Pool({
    connectionString: options.url,
    max: options.size,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + silenceMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser: typeParser },
  });
  pool.on(
    'error',
    options.onIdleError ?? ((error) => process.emitWarning(`idle database connection lost: ${error.message}`)),
  );
  // The pool listens only while a connection is idle. One that breaks in a caller's hands fails the caller's query, which is
  // answered or repeated there; unheard, its event would end the process as well.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** How long this side waits for the answers of a session: what node-postgres reads at each query, and has no other way to change. */
export function patienceOf(client: PoolClient): { query_timeout: number } {
  return (client as unknown as { connectionParameters: { query_timeout: number } }).connectionParameters;
}

type TypeNumber = Parameters<typeof types.getTypeParser>[0];

function typeParser(type: TypeNumber, format?: 'text' | 'binary'): (value: string) => unknown {
  if (type === types.builtins.INT8 && format !== 'binary') return parseBigint;
  return types.getTypeParser(type, format) as (value: string) => unknown;
}

/** Counts and versions stay far below 2^53; a value above it is a bug that must not be rounded. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a JavaScript number`);
  return value;
}
