import { request } from 'node:http';
import { isIPv6 } from 'node:net';

export interface HttpLook {
  host: string;
  /** As it was registered: a server behind one address may tell its hosts apart. */
  name: string;
  port: number;
  path: string;
  signal: AbortSignal;
}

const MOST_HEADER_BYTES = 16 * 1024;

/**
 * The status of the first answer to a GET. Nothing of its body is read, so none is too large; headers have a limit, and trickle
 * in within the time or not at all. A redirect is an answer like others: nobody goes where it leads.
 */
export function getStatus({ host, name, port, path, signal }: HttpLook): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host, port, path, signal, method: 'GET', agent: false, maxHeaderSize: MOST_HEADER_BYTES },
      headers: {
        host: `${isIPv6(name) ? `[${name}]` : name}:${port}`,
        'user-agent': 'fleetwave',
        accept: '*/*',
        connection: 'close',
      },
    });
    asked.once('response', (answer) => {
      resolve(answer.statusCode ?? 0);
      asked.destroy();
    });
    asked.once('upgrade', (answer, socket) => {
      resolve(answer.statusCode ?? 0);
      socket.destroy();
    });
    asked.on('error', reject);
    asked.once('close', () => reject(new Error('the connection was closed without an answer')));
    asked.end();
  });
}
