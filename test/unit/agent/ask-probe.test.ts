import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { askProbe } from '../../../src/agent/ask-probe';
import { wantedServices } from '../../../src/agent/rules/wanted-service';
import { FakeEngine } from './fake-engine';
import { seen } from './rules/seen';

let server: Server;
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
});

/** Asks a server that does `answer` with each connection. */
async function ask(answer: (socket: Socket) => void, timeoutMs: number): Promise<string | null> {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const services = [
    { serviceId: 1, imageName: 'app:1', config: { readinessProbe: { type: 'http', port, path: '/' } } },
  ];
  const config = wantedServices({ '1': { services } }).usable[0]?.config;
  const probe = config?.probes[0];
  if (config === undefined || probe === undefined) throw new Error('no probe');
  return askProbe(new FakeEngine(), { ...probe, timeoutMs }, seen({ hostNetwork: true }), config);
}

test('a probe does not wait for the end of an answer that has none', async () => {
  const closed = new Promise<void>((resolve) => {
    void ask((socket) => {
      socket.once('close', () => resolve());
      socket.write('HTTP/1.1 200 OK\r\n\r\nfor ever');
    }, 5000).then((problem) => expect(problem).toBeNull());
  });
  await closed;
});

test('a probe does not wait for a header that drips', async () => {
  const problem = await ask((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('x-drip: 1\r\n'), 20);
    socket.once('close', () => clearInterval(drip));
  }, 200);
  expect(problem).toMatch(/no answer within 0\.2 s$/);
});
