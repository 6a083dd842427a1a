import type { Pool } from 'pg';
import { recordLastSeen } from '../db/agent-state';
import type { Logger } from '../log';

export interface LastSeen {
  /** Notes that the device spoke just now; costs no statement. */
  mark(uuid: string): void;
  /** What is noted and perhaps not yet written. */
  latest(uuid: string): Date | null;
  flush(): Promise<void>;
  /** Stops the timer and writes what is left. */
  stop(): Promise<void>;
}

export interface LastSeenOptions {
  everyMs?: number;
  /** Told after each write who was seen; does not throw. */
  written?: (deviceUuids: readonly string[]) => Promise<void>;
}

/** `online` looks back 300 s, so a few seconds' delay never shows. */
const FLUSH_EVERY_MS = 3000;
/** Keeps one statement's locks and arrays small. */
const CHUNK = 5000;

/** Gathers polls in memory and writes them in groups, so that a poll itself writes nothing. */
export function createLastSeen(
  pool: Pool,
  log: Logger,
  { everyMs = FLUSH_EVERY_MS, written = () => Promise.resolve() }: LastSeenOptions = {},
): LastSeen {
  let marks = new Map<string, Date>();
  /** Being written: still answered by `latest`, and put back if the write fails. */
  let writing = new Map<string, Date>();
  let running: Promise<void> = Promise.resolve();

  async function writeMarks(): Promise<void> {
    writing = marks;
    marks = new Map();
    try {
      for (const chunk of chunks([...writing])) {
        const uuids = chunk.map(([uuid]) => uuid);
        await recordLastSeen(
          pool,
          uuids,
          chunk.map(([, at]) => at),
        );
        await written(uuids);
      }
    } catch (error) {
      log.warn({ err: error, devices: writing.size }, 'could not write when devices were last seen; trying again');
      marks = new Map([...writing, ...marks]);
    } finally {
      writing = new Map();
    }
  }

  function flush(): Promise<void> {
    running = running.then(() => (marks.size === 0 ? undefined : writeMarks()));
    return running;
  }

  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();

  return {
    mark: (uuid) => {
      marks.set(uuid, new Date());
    },
    latest: (uuid) => marks.get(uuid) ?? writing.get(uuid) ?? null,
    flush,
    stop: () => {
      clearInterval(timer);
      return flush();
    },
  };
}

function chunks(entries: [string, Date][]): [string, Date][][] {
  const result: [string, Date][][] = [];
  for (let start = 0; start < entries.length; start += CHUNK) result.push(entries.slice(start, start + CHUNK));
  return result;
}
