import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A slow sender may not hold a connection for ever; agents' own limit for a whole request is 30 s. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the idle limits of common proxies, so that they and not the server close first. */
const KEEP_ALIVE_MS = 65_000;

/** Listens and answers the address, with the port that was picked where `port` is 0. */
export function listen(server: Server, port: number, host: string): Promise<string> {
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address() as AddressInfo;
      resolve(`http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`);
    });
  });
}

/**
 * Lets go of those who keep their connections open, before the server closes: each is told with its next answer that the
 * connection ends, and goes elsewhere. A connection that is closed while it is idle may carry a request at that very moment, of
 * which its sender never learns whether it was read. New connections are still taken: who sends them may not know yet.
 */
export interface Drain {
  /** Resolves when no connection is left, at the latest after `limitMs`. */
  start(limitMs: number): Promise<void>;
}

const DRAIN_LOOK_MS = 20;

/** Call before the server listens. */
export function createDrain(server: Server): Drain {
  const open = new Set<ServerResponse>();
  let draining = false;
  server.prependListener('request', (_request, response: ServerResponse) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    if (draining) response.shouldKeepAlive = false;
  });
  return {
    async start(limitMs) {
      draining = true;
      for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
      const until = performance.now() + limitMs;
      while (performance.now() < until && (await connectionsOf(server)) > 0)
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    },
  };
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((error, count) => {
      resolve(error === null ? count : 0);
    });
  });
}

/** Takes no more connections, closes idle ones, waits for requests in flight, and cuts what is left at the deadline. */
export async function closeServer(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  // A connection that was busy becomes idle under keep-alive: it is closed with the next look.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  const deadline = setTimeout(() => {
    server.closeAllConnections();
  }, deadlineMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(deadline);
}
