import { expect } from '@jest/globals';

/** Within five seconds: the skipped clock runs as the real one while work is done, however slow the machine is. */
export function about(seconds: number): unknown {
  return expect.closeTo(seconds, -1);
}
