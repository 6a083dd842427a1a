import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Seen {
  method: string;
  url: string;
  authorization: string | undefined;
}

export interface LoopbackServer {
  /** host:port, as in an image reference. */
  host: string;
  port: number;
  url: string;
  /** What was asked of it, in order. */
  seen: Seen[];
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A real server that answers as a test wants it to. Other addresses of 127.0.0.0/8 stand for other machines. */
export async function serve(
  handler: Handler,
  options: { address?: string; tls?: { key: string; cert: string } } = {},
): Promise<LoopbackServer> {
  const { address = '127.0.0.1', tls } = options;
  const seen: Seen[] = [];
  const listener: Handler = (request, response) => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, authorization: headers.authorization });
    handler(request, response);
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  const host = `${address}:${port}`;
  return {
    host,
    port,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
