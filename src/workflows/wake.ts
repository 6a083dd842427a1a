import { getExternalWorkflowHandle, isCancellation } from '@temporalio/workflow';
import { healthSignal } from './messages';

/** Other rollouts look at once instead of at their next timer; one that has ended needs nothing. */
export async function wakeOthers(workflowIds: readonly string[]): Promise<void> {
  for (const workflowId of workflowIds) {
    await getExternalWorkflowHandle(workflowId)
      .signal(healthSignal, {})
      .catch((error: unknown) => {
        if (isCancellation(error)) throw error;
      });
  }
}
