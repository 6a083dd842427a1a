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
} from '../domain/told-device';
import { readRecreated } from './device-volumes';
import { moveDevices, type Touch } from './move-devices';
import { readToldDevices, storeReports } from './told-devices';

export interface Report {
  deviceUuid: string;
  /** The reported apps document; undefined when the report says nothing about apps, which then keeps what is stored. */
  apps: unknown;
  version: number | null;
  info: Record<string, unknown>;
}

/**
 * Stores reports, one a device at most, and moves the devices on in each active rollout they are part of: one statement where
 * nothing changes, a second for all that do. Both are done when it returns.
 */
export async function acceptReports(pool: Pool, reports: readonly Report[]): Promise<Touch[]> {
  const stored = reports.map(({ deviceUuid, apps, version, info }) => ({
    deviceUuid,
    apps: apps === undefined ? null : JSON.stringify(apps),
    version,
    info: JSON.stringify(info),
  }));
  const told = await storeReports(pool, stored);
  if (told.length === 0) return [];
  const reported = new Map(reports.map((report) => [report.deviceUuid, asJudged(report)]));
  const judged = told.flatMap((row) => {
    const report = reported.get(row.deviceUuid);
    const judgement = report === undefined ? null : judgeReported(row, report);
    return report === undefined || judgement === null ? [] : [{ row, report, judgement }];
  });
  await lookAgain(pool, judged);
  return moveDevices(
    pool,
    judged.flatMap(({ row, judgement }) => movesOf(row, judgement)),
  );
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
  const moves = told.flatMap((row) => {
    const word = said.get(row.deviceUuid);
    return word === undefined ? [] : movesOf(row, judgeSaid(row, word));
  });
  return moveDevices(pool, moves);
}

function movesOf(row: ToldDevice, judged: Judged | null): Move[] {
  const move = judged === null ? null : moveOf(row, judged);
  return move === null ? [] : [move];
}
