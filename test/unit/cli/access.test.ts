import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { apiAccess } from '../../../src/cli/access';
import { forgetApiUrl, keepApiUrl, keptAdminToken } from '../../../src/dev/data-directory';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-access-'));
  environment({});
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

function environment(more: NodeJS.ProcessEnv): void {
  jest.replaceProperty(process, 'env', { FLEETWAVE_DATA_DIR: directory, ...more });
}

test('the stack of the data directory is found on whatever port it has, until it stops', () => {
  const token = keptAdminToken(directory);
  keepApiUrl(directory, 'http://127.0.0.1:4877');
  expect(apiAccess({})).toEqual({ url: 'http://127.0.0.1:4877', token });
  forgetApiUrl(directory);
  expect(apiAccess({})).toEqual({ url: 'http://127.0.0.1:4002', token });
});

test('what is said goes before what is found', () => {
  keepApiUrl(directory, 'http://127.0.0.1:4877');
  environment({ FLEETWAVE_URL: 'http://127.0.0.1:4999' });
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

test.each(['/', '/api/v1', '/api/v1/', '//api/v1'])("an address that ends in %s means the API's own", (end) => {
  expect(apiAccess({ url: `https://acme.io/fleet${end}` }).url).toBe('https://acme.io/fleet');
  environment({ FLEETWAVE_URL: `http://127.0.0.1:4999${end}` });
  expect(apiAccess({}).url).toBe('http://127.0.0.1:4999');
});

test('the token of the stack goes to its address in any spelling of it', () => {
  const token = keptAdminToken(directory);
  keepApiUrl(directory, 'http://10.1.2.3:4002');
  expect(apiAccess({ url: 'http://10.1.2.3:4002/api/v1' })).toEqual({ url: 'http://10.1.2.3:4002', token });
});

test('a host that is called api is not taken for the path of the API', () => {
  expect(apiAccess({ url: 'http://api/v1' }).url).toBe('http://api/v1');
  expect(apiAccess({ url: 'http://api/api/v1/' }).url).toBe('http://api');
});
