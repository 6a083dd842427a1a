import { Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config';

const SCHEDULE_ID = 'fleetwave-maintenance';

/** Sees to it that the daily maintenance is scheduled with today's settings. Every worker does so at its start. */
export async function scheduleMaintenance(connection: NativeConnection, config: Config): Promise<void> {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const schedule = {
    // Not all installations of a cluster at midnight.
    spec: { intervals: [{ every: '1 day' as const }], jitter: '1 hour' as const },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'maintenance',
      workflowId: SCHEDULE_ID,
      taskQueue: config.FLEETWAVE_TASK_QUEUE,
      args: [
        {
          olderThanDays: config.FLEETWAVE_RETENTION_DAYS,
          bodiesOlderThanDays: config.FLEETWAVE_DELIVERY_BODY_DAYS,
        },
      ],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP },
  };
  try {
    await client.schedule.create({ scheduleId: SCHEDULE_ID, ...schedule });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(SCHEDULE_ID).update((found) => ({ ...found, ...schedule }));
  }
}
