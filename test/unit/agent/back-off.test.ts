import { expect, test } from '@jest/globals';
import { backOffMs } from '../../../src/agent/back-off';
import { createRandom } from '../../../src/agent/random';

test('the wait after an error doubles with each, up to fifteen polls, give or take thirty percent', () => {
  const random = createRandom('seed');
  for (const pollIntervalMs of [200, 60_000])
    for (let failures = 0; failures <= 20; failures += 1) {
      const middle = Math.min(Math.min(15_000, pollIntervalMs) * 2 ** failures, 15 * pollIntervalMs);
      const wait = backOffMs(failures, pollIntervalMs, random);
      expect(wait).toBeGreaterThanOrEqual(0.7 * middle);
      expect(wait).toBeLessThan(1.3 * middle);
    }
});
