import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startLink, type Link } from '../chaos/link';

let echo: Server;
let link: Link;
const sockets: Socket[] = [];
beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  link = await startLink(() => (echo.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await link.close();
  echo.close();
  await once(echo, 'close');
});

function open(): Socket {
  const socket = connect(link.port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

async function said(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

test('carries what is sent, both ways', async () => {
  expect(await said(open(), 'hello')).toBe('hello');
});

test('cut: connections are reset, new ones too, until it is called off', async () => {
  const before = open();
  await said(before, 'hello');
  const callOff = link.cut();
  await closed(before);
  await closed(open());
  callOff();
  expect(await said(open(), 'again')).toBe('again');
});

test('stall: what was sent arrives when it is called off', async () => {
  const socket = open();
  await said(socket, 'hello');
  const callOff = link.stall();
  const arrived = said(socket, 'waits');
  expect(await Promise.race([arrived, said(socket, ' too'), pause(100)])).toBe('nothing');
  callOff();
  expect(await arrived).toMatch(/^waits/);
});

test('vanish: a connection there is carries nothing any more and stays open; a new one works', async () => {
  const before = open();
  await said(before, 'hello');
  link.vanish();
  expect(await Promise.race([said(before, 'lost'), closed(before), pause(100)])).toBe('nothing');
  expect(await said(open(), 'again')).toBe('again');
});

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function pause(ms: number): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return 'nothing';
}
