import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { heapFlag } from '../../../src/api/heap';

test('V8 knows the flag of the heap: one that a later V8 has not would be passed over, and the API be large again', async () => {
  const [name = ''] = heapFlag.split('=');
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options'], { maxBuffer: 4 << 20 });
  expect(stdout).toContain(`  ${name} (`);
});

test('and heeds it when it is set at run time: one that had frozen its flags would list it all the same', async () => {
  const fill =
    'for (let i = 0; i < 60; i++) global.kept = [global.kept, Array.from({ length: 10_000 }, (_, j) => [j])]';
  const program = `require('node:v8').setFlagsFromString('${heapFlag}'); ${fill}; gc()`;
  const verbose = ['--expose-gc', '--trace-gc', '--trace-gc-verbose'];
  const { stdout } = await promisify(execFile)(process.execPath, [...verbose, '-e', program], { maxBuffer: 4 << 20 });
  // By itself V8 would take 4.0 here; newer ones tell the factor before the limit, others behind it.
  expect(stdout).toMatch(/HeapController\] (factor 1\.5 |Limit: .*\(1\.5\))/);
});
