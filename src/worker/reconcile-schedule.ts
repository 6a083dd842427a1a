import { ScheduleOverlapPolicy, type Connection } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { Config } from '../config';
import { reconcileWorkflowType } from '../workflows/messages';
import { dropSchedule, putSchedule } from './put-schedule';

export const reconcileScheduleId = 'fleetwave-reconcile';

/** Sees to it that registries are looked at as often as is set, or not at all. Every worker does so at its start. */
export async function scheduleReconcile(connection: NativeConnection | Connection, config: Config): Promise<void> {
  const minutes = config.FLEETWAVE_RECONCILE_MINUTES;
  if (minutes === 0) return dropSchedule(connection, config, reconcileScheduleId);
  await putSchedule(connection, config, reconcileScheduleId, {
    // Not all installations at the full minute; a fifth keeps rounds apart.
    spec: { intervals: [{ every: minutes * 60_000 }], jitter: minutes * 12_000 },
    action: {
      type: 'startWorkflow',
      workflowType: reconcileWorkflowType,
      workflowId: reconcileScheduleId,
      taskQueue: config.FLEETWAVE_TASK_QUEUE,
      args: [{}],
    },
    // One round after an outage sees all that the missed ones would have seen.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
  });
}
