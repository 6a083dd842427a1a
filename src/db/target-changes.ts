import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import type { Logger } from '../log';

/** Written by the triggers of migration 0018. */
const CHANNEL = 'fleetwave_target';
const PROBE = 'probe ';
/** A connection that is dead without saying so is found after two of these. */
const PROBE_EVERY_MS = 10_000;
const RETRY_MS = 1000;
const CONNECTION_TIMEOUT_MS = 5000;

export interface TargetChangesOptions {
  /** PostgreSQL itself: behind a pooler in transaction mode nothing is heard. */
  url: string;
  /** Sends the probes, so that what is heard went the way of a real change. */
  pool: Pool;
  log: Logger;
  /** Whose target, key or activity changed; `unknown` where it can be anybody's. Does not throw. */
  changed: (deviceUuids: readonly string[] | 'unknown') => void;
  probeEveryMs?: number;
}

export interface TargetChanges {
  /** False while changes may go unheard. */
  isListening(): boolean;
  stop(): Promise<void>;
}

/**
 * Hears of changes on a connection of its own. It comes back by itself when the connection breaks, and calls everything
 * changed then, because nobody listened meanwhile. It sends itself a probe now and then: one that is not heard means a
 * connection that is dead, or a pooler in between.
 */
export function listenForTargetChanges(options: TargetChangesOptions): TargetChanges {
  const { url, pool, log, changed } = options;
  const stopping = new AbortController();
  let socket: Socket | undefined;
  let listening = false;
  let unheardProbe: string | undefined;
  let complained = false;

  function hear(payload: string): void {
    if (payload === unheardProbe) unheardProbe = undefined;
    if (payload.startsWith(PROBE)) return;
    changed(payload === 'many' ? 'unknown' : payload.split(','));
  }

  function complain(reason: string): void {
    if (!complained && !stopping.signal.aborted)
      log.warn({ reason }, 'changes of target states are not heard; long polls are answered some seconds later');
    complained = true;
  }

  /** Resolves when the connection is lost. */
  async function listenOnce(): Promise<void> {
    const stream = new Socket();
    socket = stream;
    const connected = new Client({
      stream: () => stream,
      connectionString: url,
      application_name: 'fleetwave-listen',
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      keepAlive: true,
    });
    const lost = new Promise<void>((resolve) => {
      connected.on('error', (error) => {
        complain(error.message);
        resolve();
      });
      connected.on('end', resolve);
    });
    connected.on('notification', ({ payload }) => {
      hear(payload ?? '');
    });
    try {
      await connected.connect();
      await connected.query(`listen ${CHANNEL}`);
      unheardProbe = undefined;
      listening = true;
      if (stopping.signal.aborted) return;
      changed('unknown');
      await lost;
    } finally {
      listening = false;
      // Not waited for: a server that is away would not answer the farewell.
      connected.end().catch(() => undefined);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await listenOnce().catch((error: unknown) => {
        complain(error instanceof Error ? error.message : String(error));
      });
      await sleep(RETRY_MS, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  async function probe(): Promise<void> {
    if (!listening) return;
    if (unheardProbe !== undefined) {
      complain('a notification did not arrive: is there a pooler in transaction mode (DATABASE_LISTEN_URL)?');
      socket?.destroy();
      return;
    }
    const sent = PROBE + randomUUID();
    unheardProbe = sent;
    try {
      await pool.query('select pg_notify($1, $2)', [CHANNEL, sent]);
      // Heard once, the next loss is news again.
      complained = false;
    } catch {
      // What was not sent cannot be heard: that is no fault of this connection.
      unheardProbe = undefined;
    }
  }

  const timer = setInterval(() => void probe(), options.probeEveryMs ?? PROBE_EVERY_MS);
  timer.unref();
  const running = run();
  return {
    isListening: () => listening,
    async stop() {
      clearInterval(timer);
      stopping.abort();
      // Not ended with a farewell: the other side may be gone, and would be waited for.
      socket?.destroy();
      await running;
    },
  };
}
