import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { apiAccess } from '../../../src/cli/access';
import { forgetApiUrl, keepApiUrl, keptAdminToken } from '../../../src/dev/data-directory';

let directory: string;
const VARIABLES = ['FLEETWAVE_DATA_DIR', 'FLEETWAVE_URL', 'FLEETWAVE_TOKEN', 'FLEETWAVE_ADMIN_TOKEN'] as const;
let before: NodeJS.ProcessEnv;

beforeEach(() => {
  before = { ...process.env };
  for (const name of VARIABLES) delete process.env[name];
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-access-'));
  process.env['FLEETWAVE_DATA_DIR'] = directory;
});
afterEach(() => {
  for (const name of VARIABLES) {
    delete process.env[name];
    if (before[name] !== undefined) process.env[name] = before[name];
  }
  rmSync(directory, { recursive: true });
});

test('the stack of the data directory is found on whatever port it has, until it stops', () => {
  const token = keptAdminToken(directory);
  keepApiUrl(directory, 'http://127.0.0.1:4877');
  expect(apiAccess({})).toEqual({ url: 'http://127.0.0.1:4877', token });
  forgetApiUrl(directory);
  expect(apiAccess({})).toEqual({ url: 'http://127.0.0.1:4002', token });
});

test('what is said goes before what is found', () => {
  keepApiUrl(directory, 'http://127.0.0.1:4877');
  process.env['FLEETWAVE_URL'] = 'http://127.0.0.1:4999';
  expect(apiAccess({}).url).toBe('http://127.0.0.1:4999');
  expect(apiAccess({ url: 'http://127.0.0.1:5000' }).url).toBe('http://127.0.0.1:5000');
});

test('the token of the stack goes to the stack alone, also where it listens on an address of the network', () => {
  const token = keptAdminToken(directory);
  keepApiUrl(directory, 'http://10.1.2.3:4002');
  expect(apiAccess({})).toEqual({ url: 'http://10.1.2.3:4002', token });
  expect(apiAccess({ url: 'https://fleet.acme.io' }).token).toBeUndefined();
});

test('a file that holds no address is not used', () => {
  writeFileSync(join(directory, 'api.url'), 'nonsense');
  expect(apiAccess({}).url).toBe('http://127.0.0.1:4002');
});
