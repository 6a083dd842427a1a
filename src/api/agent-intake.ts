import type { Pool } from 'pg';
import { readDeviceKeys, readPolledStates, type DeviceKeys, type PolledState } from '../db/agent-state';
import { acceptReports, acceptWords, type Report } from '../db/reports';
import type { HealthWord } from '../domain/told-device';
import type { BatchWatcher } from './batch-watcher';
import { MIB } from './body';
import { createGatherer, type Gatherer } from './gather';

export interface GatheredReport extends Report {
  /** Of the body. */
  bytes: number;
}

/** What the agents' requests ask of the database, gathered over all of them. */
export interface AgentIntake {
  polls: Gatherer<string, PolledState | null>;
  keys: Gatherer<string, DeviceKeys | null>;
  /** Taken means committed; refused, that not the device's present and proven key was sent. */
  reports: Gatherer<GatheredReport, 'taken' | 'refused'>;
  words: Gatherer<HealthWord, 'taken'>;
}

/** Groups under way at once: few, because the database's work is what they save; two of those whose commit waits for the disk. */
const READ_GROUPS = 1;
/** A hundred times what a read takes: where one takes longer, its connection may be dead, which shows after half a minute only. */
const LATE_READ_MS = 500;
const WRITTEN_GROUPS = 2;
const GROUP = { groupItems: 200, groupBytes: 4 * MIB };
/** Some seconds of what two cores do. An agent that is sent away polls and reports again by itself. */
const WAITING = { waitingItems: 5000, waitingBytes: 64 * MIB };

export function createAgentIntake(pool: Pool, watcher: Pick<BatchWatcher, 'touched'>): AgentIntake {
  const read = { ...GROUP, ...WAITING, groups: READ_GROUPS, lateAfterMs: LATE_READ_MS };
  const written = {
    ...GROUP,
    ...WAITING,
    groups: WRITTEN_GROUPS,
    keyOf: ({ deviceUuid }: { deviceUuid: string }) => deviceUuid,
  };
  return {
    polls: createGatherer({ ...read, work: (uuids) => inOrder(uuids, readPolledStates(pool, uuids)) }),
    keys: createGatherer({ ...read, work: (uuids) => inOrder(uuids, readDeviceKeys(pool, uuids)) }),
    reports: createGatherer<GatheredReport, 'taken' | 'refused'>({
      ...written,
      bytesOf: ({ bytes }) => bytes,
      work: async (reports) => {
        const { touches, refused } = await acceptReports(pool, reports);
        watcher.touched(touches);
        return reports.map(({ deviceUuid }) => (refused.has(deviceUuid.toLowerCase()) ? 'refused' : 'taken'));
      },
    }),
    words: createGatherer<HealthWord, 'taken'>({
      ...written,
      work: async (words) => {
        watcher.touched(await acceptWords(pool, words));
        return words.map(() => 'taken');
      },
    }),
  };
}

async function inOrder<Row extends { uuid: string }>(
  uuids: string[],
  reading: Promise<Row[]>,
): Promise<(Row | null)[]> {
  const rows = new Map((await reading).map((row) => [row.uuid, row]));
  return uuids.map((uuid) => rows.get(uuid.toLowerCase()) ?? null);
}
