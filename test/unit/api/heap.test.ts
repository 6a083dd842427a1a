import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { heapFlag } from '../../../src/api/heap';

test('V8 knows the flag of the heap: one that a later V8 has not would be passed over, and the API be large again', async () => {
  const [name = ''] = heapFlag.split('=');
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options'], { maxBuffer: 4 << 20 });
  expect(stdout).toContain(`  ${name} (`);
});
