import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until there is an answer; fails by name when there is none in time, and at once when aborted. */
export async function waitFor<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  options: { limitMs: number; signal: AbortSignal; intervalMs?: number },
): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    options.signal.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline)
      throw new Error(`There was no sign of ${what} within ${options.limitMs / 1000} s.`);
    await sleep(options.intervalMs ?? 100, undefined, { signal: options.signal });
  }
}
