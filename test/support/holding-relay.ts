import { connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline, Transform } from 'node:stream';

/** A port that leads to a server, and can stop in the middle of what that server sends. */
export interface HoldingRelay {
  /** host:port */
  host: string;
  /** Lets so many more bytes through to clients, then none. */
  holdAfter(bytes: number): void;
  /** Something is being held back. */
  holding(): boolean;
  /** Lets everything through again; what was held back is broken off. */
  release(): void;
  close(): Promise<void>;
}

export async function startHoldingRelay(target: () => string): Promise<HoldingRelay> {
  const sockets = new Set<Socket>();
  let budget = Number.POSITIVE_INFINITY;
  let held = false;
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  const gate = () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        budget -= chunk.length;
        if (budget >= 0) done(null, chunk);
        else held = true;
      },
    });
  const server: Server = createServer((near) => {
    const [host, port] = target().split(':');
    const far = connect(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    // An end is handed on after everything before it: a server that closes right after its answer is not cut short.
    pipeline(near, far, () => undefined);
    pipeline(far, gate(), near, () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${String(typeof address === 'object' ? address?.port : '')}`,
    holdAfter(bytes) {
      budget = bytes;
    },
    holding: () => held,
    release() {
      budget = Number.POSITIVE_INFINITY;
      held = false;
      drop();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        drop();
      }),
  };
}
