import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { stateFile } from '../../../src/agent/state-file';

const state = {
  ...{ uuid: '5f0c9a52-3b1f-4c59-9a52-3b1f4c59aaaa', apiKey: 'key', registered: true, target: null, services: {} },
};
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fleetwave-state-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test('what does not fit on the disk is an error, and the state before stays', () => {
  const file = stateFile(join(directory, 'state.json'));
  expect(file.read()).toBeNull();
  file.write(state);
  symlinkSync('/dev/full', `${file.path}.next`);
  expect(() => file.write({ ...state, apiKey: 'another' })).toThrow('ENOSPC');
  expect(file.read()).toEqual(state);
});
