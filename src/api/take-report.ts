import type { Pool } from 'pg';
import type { AgentIntake, GatheredReport } from './agent-intake';
import { assertDevice, NO_KEY } from './device-auth';
import type { KnownKeys } from './known-keys';
import type { LastSeen } from './last-seen';
import { hashSecret } from './operators';

export interface TakeReportDeps {
  pool: Pool;
  intake: Pick<AgentIntake, 'keys' | 'reports'>;
  lastSeen: Pick<LastSeen, 'mark'>;
  knownKeys: KnownKeys;
}

/**
 * Takes a report of whoever holds the device's key. Storing it compares the key once more, so a key that was accepted before goes
 * there at once. Any other is looked at first: a stranger's report must not stand in the way of those of devices, nor cost more than
 * that look; the same look tells a device's last key, a new one's first use and none from a wrong one.
 * @throws HttpProblem 401, 403, 503
 */
export async function takeReport(deps: TakeReportDeps, report: GatheredReport, key: string): Promise<void> {
  const { pool, intake, lastSeen, knownKeys } = deps;
  const { deviceUuid: uuid } = report;
  const keyHash = hashSecret(key);
  if (key !== NO_KEY && knownKeys.has(uuid, keyHash)) {
    const outcome = await intake.reports.add({ ...report, keyHash }).catch((error: unknown) => {
      // It spoke, whatever became of what it said.
      lastSeen.mark(uuid);
      throw error;
    });
    if (outcome === 'taken') {
      lastSeen.mark(uuid);
      return;
    }
  }
  await assertDevice(pool, await intake.keys.add(uuid), key);
  lastSeen.mark(uuid);
  if (key !== NO_KEY) knownKeys.remember(uuid, keyHash);
  await intake.reports.add(report);
}
