import { createServer, type AddressInfo } from 'node:net';

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return listenOnce(0) as Promise<number>;
}

/**
 * The wanted port if it can be had, else a free one: a kept port is a convenience (bookmarks, open psql sessions),
 * never a reason not to start.
 */
export async function preferredPort(wanted: number | undefined): Promise<number> {
  if (wanted === undefined || wanted === 0) return freePort();
  return (await listenOnce(wanted)) ?? freePort();
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (port !== 0 && (error.code === 'EADDRINUSE' || error.code === 'EACCES')) resolve(undefined);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      const address = server.address() as AddressInfo;
      server.close(() => resolve(address.port));
    });
  });
}
