import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const AGAIN_AFTER_MS = 200;

/**
 * Removes a directory in which a process that is ending may still write. Node.js's own `maxRetries` repeat only the `rmdir`,
 * so that one late file defeats them all: this begins anew each time, and at last says what is left.
 */
export async function removeDirectory(directory: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await rm(directory, { recursive: true, force: true });
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        const left = readdirSync(directory, { recursive: true }).slice(0, 50).join(', ');
        throw new Error(`${directory} could not be removed; left in it: ${left}`, { cause: error });
      }
      await sleep(AGAIN_AFTER_MS);
    }
  }
}
