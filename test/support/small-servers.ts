import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface SmallServer {
  port: number;
  /** Connections so far. */
  connections(): number;
  /** Connections that stand now. */
  open(): number;
  close(): Promise<void>;
}

/** What a device serves, on an address of this machine. */
export function serveHttp(answer: RequestListener, host = '127.0.0.1'): Promise<SmallServer> {
  return listening(createServer(answer), host);
}

export function serveTcp(onConnection: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<SmallServer> {
  return listening(createTcpServer(onConnection), host, port);
}

async function listening(server: Server, host: string, port = 0): Promise<SmallServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    // Whoever looks goes away as soon as it has seen enough.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
