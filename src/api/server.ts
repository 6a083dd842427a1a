import type { Server } from 'node:http';
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
