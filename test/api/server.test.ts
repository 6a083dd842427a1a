import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { closeServer, listen } from '../../src/api/server';

let server: Server;
let url: string;
let release: () => void = () => undefined;
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/slow') release = () => response.end('done');
    else response.end('ok');
  });
  url = await listen(server, 0, '127.0.0.1');
});
afterAll(() => {
  server.closeAllConnections();
});

test('a stop closes idle connections, refuses new ones and finishes what is in flight', async () => {
  await (await fetch(`${url}/idle`)).text();
  const slow = fetch(`${url}/slow`).then((response) => response.text());
  await until(() => release.toString().includes('done'));
  const closed = closeServer(server, 10_000);
  await expect(fetch(`${url}/new`)).rejects.toThrow();
  release();
  expect(await slow).toBe('done');
  await closed;
});

test('what does not finish is cut at the deadline, and stopping twice is harmless', async () => {
  const hanging = createServer(() => undefined);
  const address = await listen(hanging, 0, '127.0.0.1');
  const request = fetch(address).catch(() => 'cut');
  await until(async () => (await connections(hanging)) > 0);
  await closeServer(hanging, 100);
  expect(await request).toBe('cut');
  await closeServer(hanging, 100);
});

function connections(of: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    of.getConnections((error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
