import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHttpClient, type HttpClient } from '../../../src/agent/http-client';
import { register, takeIdentity } from '../../../src/agent/identity';
import { AgentSettings, type AgentConfig } from '../../../src/agent/settings';
import { stateFile, type StateFile } from '../../../src/agent/state-file';

const UUID = '5f0c9a52-3b1f-4c59-9a52-3b1f4c59aaaa';
let directory: string;
let file: StateFile;
let server: Server;
let client: HttpClient;
let asked: { path: string | undefined; authorization: string | undefined; body: Record<string, unknown> }[];
let answers: Record<string, number>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-identity-'));
  file = stateFile(join(directory, 'sub', 'state.json'));
  asked = [];
  answers = {};
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      asked.push({ path: request.url, authorization: request.headers.authorization, body });
      response.writeHead(answers[request.url ?? ''] ?? 200).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = createHttpClient(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, 1);
});
afterEach(async () => {
  client.close();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

function config(given: Partial<AgentConfig> = {}): AgentConfig {
  return AgentSettings.parse({ FLEETWAVE_URL: 'http://127.0.0.1', FLEETWAVE_AGENT_NAME: 'shop-17', ...given });
}

test('a new device makes its identity, keeps it to itself on the disk, registers and proves its key', async () => {
  const settings = config({ FLEETWAVE_AGENT_PROVISIONING_KEY: 'provisioning' });
  const state = takeIdentity(file, settings);
  expect(takeIdentity(file, settings)).toEqual(state);
  expect(statSync(file.path).mode & 0o777).toBe(0o600);
  await register(client, state, settings);
  const { uuid, apiKey } = state;
  expect(asked).toEqual([
    {
      ...{ path: '/api/v1/device/register', authorization: 'Bearer provisioning' },
      body: { uuid, deviceApiKey: apiKey, deviceName: 'shop-17', deviceType: 'generic' },
    },
    {
      ...{ path: `/api/v1/device/${uuid}/key-exchange`, authorization: `Bearer ${apiKey}` },
      body: { uuid, deviceApiKey: apiKey },
    },
  ]);
  expect(apiKey).toMatch(/^[0-9a-f]{64}$/);
});

test('a device whose registration was answered to nobody goes on to the proof; a refused proof is an error', async () => {
  const settings = config({ FLEETWAVE_AGENT_PROVISIONING_KEY: 'provisioning' });
  const state = takeIdentity(file, settings);
  const [registration, proof] = ['/api/v1/device/register', `/api/v1/device/${state.uuid}/key-exchange`];
  for (const status of [401, 409, 429]) {
    answers = { [registration]: status };
    await register(client, state, settings);
    answers = { [registration]: status, [proof]: 401 };
    const refused = `POST ${status === 409 ? proof : registration} answered ${status === 409 ? 401 : status}`;
    await expect(register(client, state, settings)).rejects.toThrow(refused);
  }
  answers = { [registration]: 500 };
  await expect(register(client, state, settings)).rejects.toThrow(`POST ${registration} answered 500`);
});

test('a configured identity is taken, also with a new key, and another device is refused', () => {
  const given = { FLEETWAVE_AGENT_UUID: UUID, FLEETWAVE_AGENT_KEY: 'one' };
  expect(takeIdentity(file, config(given))).toMatchObject({ uuid: UUID, apiKey: 'one', registered: true });
  expect(takeIdentity(file, config({ ...given, FLEETWAVE_AGENT_KEY: 'two' }))).toMatchObject({ apiKey: 'two' });
  expect(takeIdentity(file, config())).toMatchObject({ uuid: UUID, apiKey: 'two' });
  const other = { FLEETWAVE_AGENT_UUID: UUID.replace('5', '6'), FLEETWAVE_AGENT_KEY: 'one' };
  expect(() => takeIdentity(file, config(other))).toThrow('belongs to device');
});

test('without a way to become somebody the agent says what to set', () => {
  expect(() => takeIdentity(file, config())).toThrow('set FLEETWAVE_AGENT_PROVISIONING_KEY');
  expect(() => takeIdentity(file, config({ FLEETWAVE_AGENT_UUID: UUID }))).toThrow('belong together');
});
