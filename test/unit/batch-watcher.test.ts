import { expect, test } from '@jest/globals';
import { restAfter } from '../../src/api/batch-watcher';

test.each([
  // A batch of hundreds is counted as often as reports are gathered.
  [1, 150],
  [16, 150],
  // 100,000 and half a million devices: a tenth of the time at most.
  [45, 405],
  [250, 2250],
  // However slow the database is, an outcome is not found minutes late.
  [30_000, 5000],
])('after a look of %d ms comes none for %d ms', (tookMs, restMs) => {
  expect(restAfter(tookMs, 150)).toBe(restMs);
});
