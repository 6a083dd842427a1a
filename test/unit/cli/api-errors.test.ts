import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCommandLine } from '../../../src/cli/program';
import { capturedTerminal } from './captured-terminal';

/** The API itself is tested with the real one; this server gives the answers that a healthy API does not. */
let server: Server;
let url: string;
let next: { status: number; body: object };
const seen: { method: string | undefined; path: string | undefined; token: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push({ method: request.method, path: request.url, token: request.headers.authorization });
    response.writeHead(next.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(next.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const ID = '00000000-0000-4000-8000-000000000001';

async function run(args: string[], address = url): Promise<{ code: number; out: string; err: string }> {
  const terminal = capturedTerminal();
  const code = await runCommandLine(['--url', address, '--token', 'secret', ...args], {
    terminal,
    input: process.stdin,
    version: '0',
  });
  return { code, out: terminal.out, err: terminal.err };
}

test('an API that is not there: how to start it, and how to name another', async () => {
  const { code, err } = await run(['rollouts'], 'http://127.0.0.1:1');
  expect(code).toBe(1);
  expect(err).toContain('cannot be reached');
  expect(err).toContain('npm start');
  expect(err).toContain('--url');
});

test.each([
  [401, { title: 'Unauthorized', detail: 'The token is not known.' }, ['The token is not known.', 'not accepted']],
  [403, { detail: 'viewer may not pause' }, ['viewer may not pause', 'role operator or admin']],
  [404, { detail: 'There is no rollout r1.' }, ['There is no rollout r1.']],
  [409, { detail: 'it is paused already' }, ['it is paused already']],
  [
    422,
    { detail: 'Invalid input.', errors: [{ path: 'reason', message: 'is too long' }] },
    ['Invalid input.', 'reason: is too long'],
  ],
  [500, { title: 'Internal error', request_id: 'q7' }, ['Internal error', "server's", 'request q7']],
])('status %d is told in words, exit code 1', async (status, body, parts) => {
  next = { status, body };
  const { code, out, err } = await run(['pause', ID]);
  expect(code).toBe(1);
  expect(out).toBe('');
  for (const part of parts) expect(err).toContain(part);
});

test('something else than Fleetwave at the address is named as such', async () => {
  next = { status: 200, body: { hello: 'world' } };
  expect((await run(['rollouts'])).err).toContain('Is --url right?');
});

test('a command says what it does, with the operator token and the reason', async () => {
  next = { status: 202, body: { rollout_id: ID, command: 'pause', effect: 'no further device is told' } };
  const { code, out } = await run(['pause', ID, '--reason', 'looks odd']);
  expect({ code, out }).toEqual({ code: 0, out: 'pause: no further device is told\n' });
  expect(seen.at(-1)).toEqual({ method: 'POST', path: `/api/v1/rollouts/${ID}/pause`, token: 'Bearer secret' });
});

test('an id that is none is refused before anything is asked', async () => {
  const asked = seen.length;
  const { code, err } = await run(['pause', 'r1']);
  expect(code).toBe(2);
  expect(err).toContain('`fleetwave rollouts` lists them');
  expect(seen).toHaveLength(asked);
});

test.each(['abc', '0', '501', '1.5', ''])(
  '--limit %p is refused in a sentence, before anything is asked',
  async (limit) => {
    const asked = seen.length;
    const { code, err } = await run(['rollouts', `--limit=${limit}`]);
    expect(code).toBe(2);
    expect(err).toContain('a whole number from 1 to 500');
    expect(seen).toHaveLength(asked);
  },
);

test.each(['start', 'demo', 'migrate', 'api', 'worker', 'rollouts', 'rollout', 'pause', 'image'])(
  'the help of %s speaks to its user, not of files of this program',
  async (command) => {
    const { code, out } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(out).toContain('Usage: fleetwave');
    expect(out).not.toMatch(/\.js|\.ts|main|dist/);
  },
);
