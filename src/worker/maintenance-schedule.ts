import { ScheduleOverlapPolicy, type Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config';
import { putSchedule } from './put-schedule';

export const maintenanceScheduleId = 'fleetwave-maintenance';

/** Sees to it that the daily maintenance is scheduled with today's settings. Every worker does so at its start. */
export async function scheduleMaintenance(connection: NativeConnection | Connection, config: Config): Promise<void> {
  await putSchedule(connection, config, maintenanceScheduleId, {
    // Not all installations of a cluster at midnight.
    spec: { intervals: [{ every: '1 day' }], jitter: '1 hour' },
    action: {
      type: 'startWorkflow',
      workflowType: 'maintenance',
      workflowId: maintenanceScheduleId,
      taskQueue: config.FLEETWAVE_TASK_QUEUE,
      args: [
        {
          olderThanDays: config.FLEETWAVE_RETENTION_DAYS,
          bodiesOlderThanDays: config.FLEETWAVE_DELIVERY_BODY_DAYS,
        },
      ],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP },
  });
}
