import { expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { beating } from '../../../src/activities/beating';

test('while a long statement runs, its worker says that it is alive; afterwards no more', async () => {
  const environment = new MockActivityEnvironment();
  let beats = 0;
  let end: () => void = () => undefined;
  const work = new Promise<void>((resolve) => (end = resolve));
  environment.on('heartbeat', () => {
    beats += 1;
    if (beats === 3) end();
  });
  await environment.run(() => beating({ work: () => work, everyMs: 5 }));
  const before = beats;
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(beats).toBe(before);
  expect(before).toBeGreaterThanOrEqual(3);
});

test('what the statement fails with is what it fails with', async () => {
  const failing = new MockActivityEnvironment().run(() =>
    beating({ work: () => Promise.reject(new Error('no space left')), everyMs: 5 }),
  );
  await expect(failing).rejects.toThrow('no space left');
});
