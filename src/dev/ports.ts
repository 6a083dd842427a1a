import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';

/** Below what systems give to outgoing connections (32768 up on Linux), above the well-known ports. */
const FROM = 16_000;
const BELOW = 32_768;
const TRIES = 100;
const LOOPBACK = '127.0.0.1';

/**
 * A loopback port that was free a moment ago. Not one that the system chooses: until the server it is meant for listens,
 * the system would give the same number to any outgoing connection, which happens where thousands are opened.
 */
export async function freePort(host = LOOPBACK): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = await listenOnce(randomInt(FROM, BELOW), host);
    if (port !== undefined) return port;
  }
  return listenOnce(0, host) as Promise<number>;
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

function listenOnce(port: number, host = LOOPBACK): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (port !== 0 && (error.code === 'EADDRINUSE' || error.code === 'EACCES')) resolve(undefined);
      else reject(error);
    });
    server.listen(port, host, () => {
      const address = server.address() as AddressInfo;
      server.close(() => resolve(address.port));
    });
  });
}
