import type { Connection } from '@temporalio/client';
import type { Config } from '../config';
import { maintenanceScheduleId, scheduleMaintenance } from '../worker/maintenance-schedule';
import { hasSchedule } from '../worker/put-schedule';
import { reconcileScheduleId, scheduleReconcile } from '../worker/reconcile-schedule';
import { missingSearchAttributes, registerSearchAttributes } from '../worker/register-search-attributes';
import type { Finding } from './findings';

const WHY = 'a worker makes it at its start, and Temporal has lost it since';

/** What a Temporal server with an empty store lacks until a worker starts: a rollout cannot be started without the first. */
export async function findMissing(connection: Connection, config: Config): Promise<Finding[]> {
  const missing = await missingSearchAttributes(connection, config.TEMPORAL_NAMESPACE);
  const schedules = [maintenanceScheduleId, ...(config.FLEETWAVE_RECONCILE_MINUTES === 0 ? [] : [reconcileScheduleId])];
  const findings = missing.map((name): Finding => ({ kind: 'server', what: `search attribute ${name}`, why: WHY }));
  for (const id of schedules)
    if (!(await hasSchedule(connection, config, id)))
      findings.push({ kind: 'server', what: `schedule ${id}`, why: WHY });
  return findings;
}

export async function makeFit(connection: Connection, config: Config): Promise<void> {
  await registerSearchAttributes(connection, config.TEMPORAL_NAMESPACE);
  if (!(await hasSchedule(connection, config, maintenanceScheduleId))) await scheduleMaintenance(connection, config);
  if (!(await hasSchedule(connection, config, reconcileScheduleId))) await scheduleReconcile(connection, config);
}
