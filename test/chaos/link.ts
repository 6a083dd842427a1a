import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way to a server that can be disturbed. */
export interface Link {
  port: number;
  /** Resets all connections, and new ones until it is called off. */
  cut(): () => void;
  /** Carries nothing until it is called off; then all that waits. */
  stall(): () => void;
  /** Each piece of data comes so much later, until it is called off. */
  delay(ms: number): () => void;
  /** The connections there are never carry anything again, and nobody is told. */
  vanish(): void;
  close(): Promise<void>;
}

/** One side of a lost connection gave up; the other notices it so much later, by its keep-alive. */
const UNNOTICED_MS = 60_000;

/** `target` is asked at each connection: the server may be started after its way. */
export async function startLink(target: () => number): Promise<Link> {
  const sockets = new Set<Socket>();
  let lost = new Set<Socket>();
  let cuts = 0;
  let stalls = 0;
  let delayMs = 0;
  const released = new EventEmitter().setMaxListeners(0);

  async function carry(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (delayMs > 0) await sleep(delayMs);
      while (stalls > 0) await once(released, 'now');
      // What is lost stays open on both sides: neither hears anything.
      if (lost.has(from)) continue;
      if (!to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    }
    if (!lost.has(from)) to.end();
  }

  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (cuts > 0) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(target(), '127.0.0.1').on('error', () => undefined);
    near.setNoDelay();
    far.setNoDelay();
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        if (lost.delete(socket)) setTimeout(() => other.destroy(), UNNOTICED_MS).unref();
        else other.destroy();
      });
      carry(socket, other).catch(() => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a link has no port');

  function destroyAll(): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }

  return {
    port: address.port,
    cut() {
      cuts += 1;
      destroyAll();
      return () => {
        cuts -= 1;
      };
    },
    stall() {
      stalls += 1;
      return () => {
        stalls -= 1;
        released.emit('now');
      };
    },
    delay(ms) {
      delayMs += ms;
      return () => {
        delayMs -= ms;
      };
    },
    vanish() {
      lost = new Set(sockets);
    },
    close: () =>
      new Promise((resolve) => {
        lost = new Set();
        server.close(() => resolve());
        destroyAll();
      }),
  };
}
