import { connect } from 'node:net';

/** Resolves when a connection stands; nothing is sent, and it is closed at once. */
export function connects({ host, port, signal }: { host: string; port: number; signal: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    // Stays: a connection that is closed by the other side while it is closed here has an error that nobody asked for.
    socket.on('error', reject);
  });
}
