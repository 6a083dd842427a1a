/**
 * Runs `work` with a signal that aborts after `limitMs`, or with `outer`. By a timer of its own: a signal made by
 * `AbortSignal.any` of `AbortSignal.timeout` may be collected as garbage in Node.js 20, and then never aborts (measured).
 */
export async function withinTime<T>(
  limitMs: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, limitMs);
  if (outer?.aborted === true) abort();
  outer?.addEventListener('abort', abort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
  }
}
