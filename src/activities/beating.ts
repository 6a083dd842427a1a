import { heartbeat } from '@temporalio/activity';

/** A third of the time after which a worker that says nothing counts as dead (src/workflows/activity-options.ts). */
const EVERY_MS = 10_000;

interface LongWork<T> {
  work: () => Promise<T>;
  everyMs?: number;
}

/** Runs one statement that may take minutes, and says meanwhile that its worker is alive. */
export async function beating<T>({ work, everyMs = EVERY_MS }: LongWork<T>): Promise<T> {
  const timer = setInterval(() => {
    heartbeat();
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
