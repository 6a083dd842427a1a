import { temporal } from '@temporalio/proto';

type History = temporal.api.history.v1.IHistory;

export interface ActivityAttempt {
  activity: string;
  /** The try that ended it; above 1 where an earlier one was lost or failed. */
  attempt: number;
}

/** Every activity of a history that was started, in order. */
export function activityAttempts(history: History): ActivityAttempt[] {
  const names = new Map<string, string>();
  const attempts: ActivityAttempt[] = [];
  for (const event of history.events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null) names.set(String(event.eventId), scheduled.activityType?.name ?? '');
    const started = event.activityTaskStartedEventAttributes;
    if (started != null)
      attempts.push({ activity: names.get(String(started.scheduledEventId)) ?? '', attempt: started.attempt ?? 0 });
  }
  return attempts;
}

/** As `tools/test-server/.../CommandVerifier.java` says it. */
const OVER_MEANWHILE = /^(timer|activity) \S+ came to its end while the workflow task that cancels it was under way$/;

/**
 * Workflow tasks that failed, by their cause. One that wanted to end the workflow just as a signal came did not: the server has
 * it done again with the signal (`UNHANDLED_COMMAND`); nor did one that wanted to cancel what was over meanwhile, where the
 * test server has it done again (tools/test-server). Nor did one that timed out: it went to a worker that is gone.
 */
export function failedTasks(history: History): string[] {
  const { WorkflowTaskFailedCause } = temporal.api.enums.v1;
  return (history.events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) => {
    if (failed == null || failed.cause === WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND)
      return [];
    const message = failed.failure?.message ?? '';
    if (OVER_MEANWHILE.test(message)) return [];
    return [`${WorkflowTaskFailedCause[failed.cause ?? 0] ?? 'unknown'}: ${message}`];
  });
}

/** The kinds of events of a history, in order. */
export function eventTypes(history: History): string[] {
  return (history.events ?? []).map((event) => temporal.api.enums.v1.EventType[event.eventType ?? 0] ?? 'unknown');
}

/** How long each timer of a history was set for, in order: what was waited for, whatever the clock did meanwhile. */
export function timersMs(history: History): number[] {
  return (history.events ?? []).flatMap(({ timerStartedEventAttributes: timer }) =>
    timer == null
      ? []
      : [Number(timer.startToFireTimeout?.seconds ?? 0) * 1000 + (timer.startToFireTimeout?.nanos ?? 0) / 1e6],
  );
}
