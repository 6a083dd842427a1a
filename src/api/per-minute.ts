import { createBoundedMap } from '../registry-client/bounded-map';

const MINUTE_MS = 60_000;
/** Keys are names that admins gave; who makes thousands of them gets a new minute for the oldest. */
const MAX_KEYS = 1000;

/** What is let through now; `heldBack` counts what was not since the last that was. */
export interface Passage {
  passes: boolean;
  heldBack: number;
}

/** Lets `limit` a minute through for each key and counts the rest, so that nobody can fill a log or a table. */
export function createPerMinute(limit: number, now: () => number = Date.now): (key: string) => Passage {
  const minutes = createBoundedMap<{ since: number; count: number; heldBack: number }>(MAX_KEYS);
  return (key) => {
    const found = minutes.get(key);
    const isOver = found === undefined || now() - found.since >= MINUTE_MS;
    const minute = isOver ? { since: now(), count: 0, heldBack: found?.heldBack ?? 0 } : found;
    if (isOver) minutes.set(key, minute);
    minute.count += 1;
    const { heldBack } = minute;
    const passes = minute.count <= limit;
    minute.heldBack = passes ? 0 : heldBack + 1;
    return { passes, heldBack };
  };
}
