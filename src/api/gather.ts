import { randomInt } from 'node:crypto';
import { isConflict, isDatabaseAway } from '../db/database-errors';
import { HttpProblem } from './problem';

export interface GatherOptions<Item, Result> {
  /** Does a group at once; the results in the items' order. May be called again with what it was called with. */
  work: (items: Item[]) => Promise<Result[]>;
  /** Groups under way at once. The next ones grow meanwhile, so that a group is as large as the database is busy. */
  groups: number;
  /** Where one has been under way for so long, its connection may be dead: one more than `groups` may go. Absent, none. */
  lateAfterMs?: number;
  /** Items of one group, and their bytes. */
  groupItems: number;
  groupBytes: number;
  /** What may wait altogether; more is refused. */
  waitingItems: number;
  waitingBytes: number;
  bytesOf?: (item: Item) => number;
  /** Items of the same key never share a group, and are done in the order they came. */
  keyOf?: (item: Item) => string;
}

export interface Gatherer<Item, Result> {
  /** Settles when the group it was in is done. @throws HttpProblem 503 when too much waits already. */
  add(item: Item): Promise<Result>;
  /** For who would do something first that is in vain then. @throws HttpProblem 503 */
  assertRoom(): void;
  waiting(): number;
}

interface Waiting<Item, Result> {
  item: Item;
  bytes: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/** Drawn, so that thousands that are sent away do not come back in step. */
const RETRY_AFTER_SECONDS = [2, 15] as const;

/**
 * Makes one statement of what many requests ask for. Nobody waits for company: an item that finds a group free goes at once,
 * alone; while groups are under way others gather, so that groups grow with the load and the database's work a request shrinks.
 * Where a group fails because of what is in it, or of what others do to the same rows, it is done in halves and those in theirs,
 * so that nobody suffers from another's bad item, and a bad one costs the others a few statements.
 */
export function createGatherer<Item, Result>(options: GatherOptions<Item, Result>): Gatherer<Item, Result> {
  const { work, groups, lateAfterMs, bytesOf = () => 0, keyOf } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let waitingBytes = 0;
  /** Keys of groups under way. */
  const busy = new Set<string>();
  let running = 0;
  let late = 0;
  let scheduled = false;

  function assertRoom(): void {
    if (waiting.length < options.waitingItems && waitingBytes < options.waitingBytes) return;
    throw new HttpProblem(503, 'overloaded', 'too much is under way here: come again later', {
      headers: { 'retry-after': String(randomInt(RETRY_AFTER_SECONDS[0], RETRY_AFTER_SECONDS[1] + 1)) },
      forTheLog: null,
    });
  }

  function add(item: Item): Promise<Result> {
    assertRoom();
    return new Promise((resolve, reject) => {
      const bytes = bytesOf(item);
      waiting.push({ item, bytes, resolve, reject });
      waitingBytes += bytes;
      schedule();
    });
  }

  function isFree(): boolean {
    return running < groups + Math.min(late, 1);
  }

  /** After the input at hand was read: what came in together goes together. */
  function schedule(): void {
    if (scheduled || waiting.length === 0 || !isFree()) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      while (isFree() && startGroup());
    });
  }

  function startGroup(): boolean {
    const group = takeGroup();
    if (group.length === 0) return false;
    const keys = keyOf === undefined ? [] : group.map(({ item }) => keyOf(item));
    for (const key of keys) busy.add(key);
    running += 1;
    const noLongerLate = whenLate();
    void settle(group).finally(() => {
      running -= 1;
      noLongerLate();
      for (const key of keys) busy.delete(key);
      schedule();
    });
    return true;
  }

  function whenLate(): () => void {
    if (lateAfterMs === undefined) return () => undefined;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      late += 1;
      schedule();
    }, lateAfterMs);
    timer.unref();
    return () => {
      clearTimeout(timer);
      if (isLate) late -= 1;
    };
  }

  function takeGroup(): Waiting<Item, Result>[] {
    const group: Waiting<Item, Result>[] = [];
    const left: Waiting<Item, Result>[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    for (const entry of waiting) {
      const key = keyOf?.(entry.item);
      const isFull =
        group.length >= options.groupItems || (group.length > 0 && bytes + entry.bytes > options.groupBytes);
      if (isFull || (key !== undefined && (busy.has(key) || keys.has(key)))) left.push(entry);
      else {
        group.push(entry);
        bytes += entry.bytes;
      }
      // Also of what is left: a later one of the same key must not overtake it.
      if (key !== undefined) keys.add(key);
    }
    waiting = left;
    waitingBytes -= bytes;
    return group;
  }

  /** @returns the error of a database that is away, which what is left of the group is not tried with. */
  async function settle(group: Waiting<Item, Result>[]): Promise<unknown> {
    try {
      const results = await work(group.map(({ item }) => item));
      group.forEach(({ resolve }, place) => {
        resolve(results[place] as Result);
      });
      return undefined;
    } catch (error) {
      const isAway = isDatabaseAway(error) && !isConflict(error);
      if (group.length > 1 && !isAway) return settleInHalves(group);
      for (const { reject } of group) reject(error);
      return isAway ? error : undefined;
    }
  }

  async function settleInHalves(group: Waiting<Item, Result>[]): Promise<unknown> {
    const middle = Math.ceil(group.length / 2);
    const away = await settle(group.slice(0, middle));
    if (away === undefined) return settle(group.slice(middle));
    for (const { reject } of group.slice(middle)) reject(away);
    return away;
  }

  return { add, assertRoom, waiting: () => waiting.length };
}
