import { heartbeat } from '@temporalio/activity';

/** A third of the time after which a worker that says nothing counts as dead (src/workflows/activity-options.ts). */
const EVERY_MS = 10_000;

/** Runs one statement that may take minutes, and says meanwhile that its worker is alive. */
export async function beating<T>(work: () => Promise<T>, everyMs = EVERY_MS): Promise<T> {
  const timer = setInterval(() => {
    heartbeat();
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
