import type { Pool } from 'pg';
import { readChangedStates, type PolledState } from '../db/agent-state';
import type { TargetChanges } from '../db/target-changes';
import type { Logger } from '../log';

/** Why a poll is held no longer. */
export type End = 'time over' | 'gone' | 'full' | 'replaced' | 'stopping';
/** The device as it is now (null: it is not there any more), or why nothing more will come. */
export type News = { state: PolledState | null } | { end: End };

export interface Place {
  /** Waits for another version than this one, or for anything else about the device that changed. */
  news(version: number, limitMs: number): Promise<News>;
  /** Gives the place up; whoever waits in it hears `gone`. */
  leave(): void;
}

export interface TargetWatch {
  /** Taken before the device's state is read: what changes after that read is not missed. */
  enter(uuid: string): Place;
  /** What a listener heard. */
  changed(deviceUuids: readonly string[] | 'unknown'): void;
  waiting(): number;
  /** All who wait are answered at once, and nobody waits from now on. */
  stop(): Promise<void>;
}

export interface TargetWatchOptions {
  pool: Pool;
  log: Logger;
  /** Polls held at once; more are not. */
  limit: number;
  /** A device that waits is there; said of each every half minute, beside the marks of its polls. */
  alive: (uuid: string) => void;
  changes: Pick<TargetChanges, 'isListening'>;
  gatherMs?: number;
  recheckEveryMs?: number;
}

/** Notifications of one batch, written in several transactions, become few looks. */
const GATHER_MS = 25;
/** How late a change is while nothing is heard. */
const RECHECK_EVERY_MS = 5000;
/** While all is heard, everything is looked at this many times more rarely: it only heals what nobody can explain. */
const RECHECKS_HEARD = 6;
/** Between two chunks the answers of the first go out. */
const CHUNK = 500;
/** A device whose connection died comes again before the old one is noticed; a third poll at once is a mistake of the device's. */
const PLACES_A_DEVICE = 2;

interface Waiter extends Place {
  uuid: string;
  /** What it was served; null while it is not waiting, or not yet. */
  version: number | null;
  /** Something changed while it was not waiting. */
  missed: boolean;
  resolve: (news: News) => void;
}

/**
 * Holds polls until their device's target changes. What was heard is gathered, then read for all who wait in a few
 * statements: neither a waiting device nor its answer costs a statement of its own.
 */
export function createTargetWatch(options: TargetWatchOptions): TargetWatch {
  const { pool, log, limit, alive, changes, gatherMs = GATHER_MS, recheckEveryMs = RECHECK_EVERY_MS } = options;
  const places = new Map<string, Set<Waiter>>();
  let waiting = 0;
  let dirty = new Set<string>();
  let allDirty = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;

  function enter(uuid: string): Place {
    const waiter = createWaiter(uuid);
    const others = places.get(uuid);
    if (others === undefined) places.set(uuid, new Set([waiter]));
    else others.add(waiter);
    return waiter;
  }

  function createWaiter(uuid: string): Waiter {
    const waiter: Waiter = {
      uuid,
      version: null,
      missed: false,
      resolve: () => undefined,
      news: (version, limitMs) => wait(waiter, version, limitMs),
      leave() {
        waiter.resolve({ end: 'gone' });
        const others = places.get(uuid);
        others?.delete(waiter);
        if (others?.size === 0) places.delete(uuid);
      },
    };
    return waiter;
  }

  function wait(waiter: Waiter, version: number, limitMs: number): Promise<News> {
    if (stopped) return Promise.resolve({ end: 'stopping' });
    if (places.get(waiter.uuid)?.has(waiter) !== true) return Promise.resolve({ end: 'gone' });
    if (waiting >= limit) return Promise.resolve({ end: 'full' });
    makeRoom(waiter.uuid);
    return new Promise((settle) => {
      const over = setTimeout(() => {
        waiter.resolve({ end: 'time over' });
      }, limitMs);
      waiting += 1;
      waiter.version = version;
      waiter.resolve = (news) => {
        clearTimeout(over);
        waiting -= 1;
        waiter.version = null;
        waiter.resolve = () => undefined;
        settle(news);
      };
      if (!waiter.missed) return;
      waiter.missed = false;
      dirty.add(waiter.uuid);
      schedule(gatherMs);
    });
  }

  function makeRoom(uuid: string): void {
    const held = [...(places.get(uuid) ?? [])].filter(({ version }) => version !== null);
    if (held.length >= PLACES_A_DEVICE) held[0]?.resolve({ end: 'replaced' });
  }

  function changed(deviceUuids: readonly string[] | 'unknown'): void {
    if (deviceUuids === 'unknown') allDirty = true;
    else for (const uuid of deviceUuids) if (places.has(uuid)) dirty.add(uuid);
    schedule(gatherMs);
  }

  function schedule(afterMs: number): void {
    if (timer !== undefined || stopped || (dirty.size === 0 && !allDirty)) return;
    timer = setTimeout(() => {
      running = running.then(look).then(
        () => {
          timer = undefined;
          schedule(gatherMs);
        },
        (error: unknown) => {
          log.warn({ err: error }, 'could not look at what changed for waiting devices; trying again');
          allDirty = true;
          timer = undefined;
          schedule(recheckEveryMs);
        },
      );
    }, afterMs);
  }

  async function look(): Promise<void> {
    // Who was named is read whatever its version, because its key or its being active may be what changed.
    const named = dirty;
    const found = (allDirty ? [...places.keys()] : [...named]).flatMap((uuid) => [...(places.get(uuid) ?? [])]);
    dirty = new Set();
    allDirty = false;
    for (const waiter of found) waiter.missed = waiter.version === null;
    for (let start = 0; start < found.length; start += CHUNK) {
      const chunk = found.slice(start, start + CHUNK).filter(({ version }) => version !== null);
      if (chunk.length === 0) continue;
      const states = await readChangedStates(
        pool,
        chunk.map(({ uuid, version }) => ({ uuid, version: named.has(uuid) ? null : version })),
      );
      for (const [place, state] of states) chunk[place]?.resolve({ state });
    }
  }

  let rechecks = 0;
  const recheck = setInterval(() => {
    rechecks += 1;
    const isRare = rechecks % RECHECKS_HEARD === 0;
    // A place is taken before the key is looked at: only who waits was let in.
    if (isRare)
      for (const [uuid, waiters] of places) if ([...waiters].some(({ version }) => version !== null)) alive(uuid);
    if (isRare || !changes.isListening()) changed('unknown');
  }, recheckEveryMs);
  recheck.unref();

  return {
    enter,
    changed,
    waiting: () => waiting,
    async stop() {
      stopped = true;
      clearInterval(recheck);
      clearTimeout(timer);
      for (const waiters of [...places.values()])
        for (const waiter of [...waiters]) waiter.resolve({ end: 'stopping' });
      await running;
    },
  };
}
