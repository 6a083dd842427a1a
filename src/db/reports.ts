import type { Pool } from 'pg';
import { reportedChecks } from '../domain/device-proof';
import { reportedServices } from '../domain/report-services';
import {
  judgeReported,
  judgeSaid,
  moveOf,
  type HealthWord,
  type Judged,
  type Move,
  type ReportedDevice,
  type ToldDevice,
  type ToldDeviceAndReport,
} from '../domain/told-device';
import { readRecreated } from './device-volumes';
import { moveDevices, type Moved, type Touch } from './move-devices';
import { readToldDevices, storeReports } from './told-devices';

export interface Report {
  deviceUuid: string;
  /** The reported apps document; undefined when the report says nothing about apps, which then keeps what is stored. */
  apps: unknown;
  version: number | null;
  info: Record<string, unknown>;
  /** Of the key that was sent; absent where the device has been let in already. */
  keyHash?: Buffer;
}

export interface Accepted {
  touches: Touch[];
  /** Devices whose report was not taken, because another key than their present one was sent. */
  refused: Set<string>;
}

/**
 * Stores reports, one a device at most, and moves the devices on in each active rollout they are part of: one statement where
 * nothing changes, a second for all that do. Both are done when it returns.
 */
export async function acceptReports(pool: Pool, reports: readonly Report[]): Promise<Accepted> {
  const stored = reports.map(({ deviceUuid, apps, version, info, keyHash = null }) => ({
    keyHash,
    deviceUuid,
    apps: apps === undefined ? null : JSON.stringify(apps),
    version,
    info: JSON.stringify(info),
  }));
  const { told, admitted } = await storeReports(pool, stored);
  const uuids = reports.map(({ deviceUuid }) => deviceUuid.toLowerCase());
  const refused = new Set(uuids.filter((uuid) => !admitted.has(uuid)));
  // Most reports come while nothing is rolled out to their devices: nothing of them is looked into.
  if (told.length === 0) return { touches: [], refused };
  const reported = new Map(reports.map((report) => [report.deviceUuid, asJudged(report)]));
  const touches = await moveJudged(pool, told, async (rows: readonly ToldDevice[]) => {
    const judged = rows.flatMap((row) => {
      const report = reported.get(row.deviceUuid);
      const judgement = report === undefined ? null : judgeReported(row, report);
      return report === undefined || judgement === null ? [] : [{ row, report, judgement }];
    });
    await lookAgain(pool, judged);
    return judged.flatMap(({ row, judgement }) => movesOf(row, judgement));
  });
  return { touches, refused };
}

function asJudged({ apps, version, info }: Report): ReportedDevice {
  return { version, services: reportedServices(apps), said: reportedChecks(info['checks']) };
}

interface JudgedRow {
  row: ToldDevice;
  report: ReportedDevice;
  judgement: Judged;
}

/** Where only another container tells of a restart, it is asked whether the agent makes such containers anew by itself. */
async function lookAgain(pool: Pool, judged: JudgedRow[]): Promise<void> {
  const doubtful = judged.filter(({ judgement }) => judgement.byContainerAlone === true);
  if (doubtful.length === 0) return;
  const recreated = await readRecreated(
    pool,
    doubtful.map(({ row }) => row.deviceUuid),
  );
  for (const one of doubtful) {
    const { row, report } = one;
    one.judgement = judgeReported(row, report, recreated(row.deviceUuid, report.services)) ?? one.judgement;
  }
}

/** Takes words of devices on their own health, one a device at most. */
export async function acceptWords(pool: Pool, words: readonly HealthWord[]): Promise<Touch[]> {
  const said = new Map(words.map((word) => [word.deviceUuid, word]));
  const told = await readToldDevices(pool, [...said.keys()]);
  return moveJudged(pool, told, (rows: readonly ToldDeviceAndReport[]) =>
    rows.flatMap((row) => {
      const word = said.get(row.deviceUuid);
      return word === undefined ? [] : movesOf(row, judgeSaid(row, word));
    }),
  );
}

/** A device's state seldom changes between the look and the move, and hardly ever again. */
const LOOKS = 3;

/**
 * Judges devices and moves them on. Where somebody else was first, as a device's word is before its report, it is judged again by
 * the state that it is in now: its agent was answered that it is taken, and may not say it again.
 */
async function moveJudged<Row extends ToldDevice>(
  pool: Pool,
  told: readonly (Row | ToldDeviceAndReport)[],
  judge: (rows: readonly (Row | ToldDeviceAndReport)[]) => Move[] | Promise<Move[]>,
): Promise<Touch[]> {
  const touches: Touch[] = [];
  let rows = told;
  for (let look = 1; look <= LOOKS && rows.length > 0; look += 1) {
    const moved = await moveDevices(pool, await judge(rows));
    touches.push(...moved.touches);
    rows = await readAgain(pool, rows, moved.missed);
  }
  return touches;
}

/** What was said of one telling says nothing of a later one. */
async function readAgain(
  pool: Pool,
  told: readonly ToldDevice[],
  missed: Moved['missed'],
): Promise<ToldDeviceAndReport[]> {
  if (missed.length === 0) return [];
  const keyOf = ({ rolloutId, deviceUuid }: Moved['missed'][number]) => `${rolloutId} ${deviceUuid}`;
  const again = new Set(missed.map(keyOf));
  const versions = new Map(told.map((row) => [keyOf(row), row.targetVersion]));
  const rows = await readToldDevices(
    pool,
    missed.map(({ deviceUuid }) => deviceUuid),
  );
  return rows.filter((row) => again.has(keyOf(row)) && versions.get(keyOf(row)) === row.targetVersion);
}

function movesOf(row: ToldDevice, judged: Judged | null): Move[] {
  const move = judged === null ? null : moveOf(row, judged);
  return move === null ? [] : [move];
}
