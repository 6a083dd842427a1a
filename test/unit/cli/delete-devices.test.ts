import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createApiClient } from '../../../src/cli/api-client';
import { deleteDevices } from '../../../src/cli/delete-devices';
import { capturedTerminal } from './captured-terminal';

/** More than are asked at once. */
const sixty = Array.from({ length: 60 }, (_, number) => `00000000-0000-4000-8000-0000000000${10 + number}`);
const uuids = sixty.slice(0, 20);
const busy = { status: 409, detail: 'rollout r1 is working on this device: wait for its end or cancel it' };

let server: Server;
let url: string;
let asked: string[];
/** What becomes of the device of this number; undefined cuts the connection. */
let answers: (number: number) => { status: number; detail?: string } | undefined;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    const uuid = request.url?.split('/').at(-1) ?? '';
    asked.push(uuid);
    const answer = answers(sixty.indexOf(uuid));
    if (answer === undefined) request.socket.destroy();
    else if (answer.detail === undefined) response.writeHead(answer.status).end();
    else
      response
        .writeHead(answer.status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ detail: answer.detail }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function run(devices = uuids): Promise<string> {
  const api = createApiClient({ url, token: 'secret' });
  return deleteDevices(api, { uuids: devices, fleet: 'simulated' }, capturedTerminal()).then(
    () => '',
    (error: unknown) => String(error),
  );
}

test('all are deleted, and one that somebody else has deleted is no fault', async () => {
  answers = (number) => (number === 3 ? { status: 404, detail: 'There is no such device.' } : { status: 204 });
  expect(await run()).toBe('');
  expect(asked.sort()).toEqual(uuids);
});

test('devices of a rollout: how many, the reason of the API, which they are, and what to do when it has ended', async () => {
  answers = (number) => (number < 2 ? busy : { status: 204 });
  expect(await run()).toBe(
    [
      'CliError: 18 of 20 devices are deleted, 2 are not:',
      `  2: ${busy.detail}`,
      `     ${uuids[0]}, ${uuids[1]}`,
      'A rollout works on all devices of its plan, told or not, until it ends: `fleetwave rollout <id>` shows it, `fleetwave cancel <id>` ends it.',
      'They stay, silent. Later: GET /api/v1/devices?fleet_id=simulated lists the devices of the fleet, DELETE /api/v1/devices/<uuid> deletes one.',
    ].join('\n'),
  );
});

test('of many a few are named, and each reason has its own', async () => {
  answers = (number) => (number === 19 ? { status: 403, detail: 'an operator may not' } : busy);
  const said = await run();
  expect(said).toContain('0 of 20 devices are deleted, 20 are not:\n');
  expect(said).toContain(`  19: ${busy.detail}\n     ${uuids.slice(0, 5).join(', ')} and 14 more\n`);
  expect(said).toContain('  1: an operator may not ');
  expect(said).toContain(`     ${uuids[19]}\n`);
});

test('one connection that breaks is no API that is away', async () => {
  answers = (number) =>
    number === 3 && asked.filter((uuid) => uuid === uuids[3]).length === 1 ? undefined : { status: 204 };
  expect(await run()).toBe('');
  expect(asked.length).toBe(21);
});

test('an API that is away is asked no further, and only that is said', async () => {
  answers = (number) => (number < 4 ? { status: 204 } : undefined);
  const said = await run(sixty);
  expect(asked.length).toBeLessThan(60);
  expect(said).toContain(`The API at ${url} cannot be reached`);
  expect(said).toContain('4 of 60 devices are deleted, 56 are not');
  expect(said).toContain('/devices?fleet_id=simulated');
  expect(said).not.toContain('rollout');
});
