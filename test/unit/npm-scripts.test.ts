import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { z } from 'zod';

/** Npm hands a signal to the shell it runs a script in, and that shell ends without handing it on: everything else would stay. */
test.each(['start', 'start:api', 'start:worker'])('a SIGTERM to `npm run %s` reaches what it runs', (name) => {
  const text = readFileSync(resolve(__dirname, '..', '..', 'package.json'), 'utf8');
  const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(text));
  expect(scripts[name]).toMatch(/^exec node \S+$/);
});
