import type { Pool } from 'pg';
import type { Touch } from '../../src/db/move-devices';
import { acceptReports, acceptWords, type Report } from '../../src/db/reports';
import type { HealthWord } from '../../src/domain/told-device';

export type { Touch, HealthWord };

/** One device reports. @returns the batches in which it moved. */
export async function acceptReport(pool: Pool, report: Report): Promise<Touch[]> {
  return (await acceptReports(pool, [report])).touches;
}

/** One device speaks of its health. */
export function acceptWord(pool: Pool, word: HealthWord): Promise<Touch[]> {
  return acceptWords(pool, [word]);
}
