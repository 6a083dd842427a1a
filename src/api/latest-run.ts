import { defaultDataConverter } from '@temporalio/common';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import type { RunFacts } from '../domain/lost-workflow';

/** The newest run of a workflow id, whether it still runs or not. */
export interface LatestRun extends RunFacts {
  runId: string;
}

/** What `fleetwave repair` terminates with: by it, a repair that was cut short is told from a person. */
export const terminatedByRepair = 'fleetwave repair';

/** Undefined where Temporal has none of this id: never started, or its history is gone. */
export async function readLatestRun(client: Client, workflowId: string): Promise<LatestRun | undefined> {
  try {
    const { status, memo, runId } = await client.workflow.getHandle(workflowId).describe();
    const rolloutId = typeof memo?.['rolloutId'] === 'string' ? memo['rolloutId'] : null;
    const closing = status.name === 'RUNNING' ? notClosed : await readClosing(client, workflowId, runId);
    return { rolloutId, runId, state: status.name, ...closing };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

const notClosed: Pick<RunFacts, 'result' | 'mayGoOn'> = { result: null, mayGoOn: false };

/** The last event of a closed run: a call that reads one event, whatever the length of its history. */
export async function readClosing(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<Pick<RunFacts, 'result' | 'mayGoOn'>> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    historyEventFilterType: CLOSE_EVENT,
  });
  const last = history?.events?.at(-1);
  return last === undefined ? notClosed : closingOf(last);
}

const CLOSE_EVENT = temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;
/** The failure of an activity that found no row (src/activities/failures.ts). */
const NO_ROW = 'RolloutNotFound';

function closingOf(event: temporal.api.history.v1.IHistoryEvent): Pick<RunFacts, 'result' | 'mayGoOn'> {
  const { workflowExecutionTerminatedEventAttributes: terminated, workflowExecutionFailedEventAttributes: failed } =
    event;
  if (terminated?.reason?.startsWith(terminatedByRepair) === true) return { result: null, mayGoOn: true };
  if (failed != null) return { result: null, mayGoOn: isNoRow(failed.failure) };
  const [payload] = event.workflowExecutionCompletedEventAttributes?.result?.payloads ?? [];
  const result = payload === undefined ? null : defaultDataConverter.payloadConverter.fromPayload<unknown>(payload);
  return { result: isEnding(result) ? result : null, mayGoOn: false };
}

function isNoRow(failure: temporal.api.failure.v1.IFailure | null | undefined): boolean {
  for (let one = failure; one != null; one = one.cause) if (one.applicationFailureInfo?.type === NO_ROW) return true;
  return false;
}

function isEnding(value: unknown): value is { status: string; reason: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'status' in value &&
    typeof value.status === 'string' &&
    'reason' in value &&
    typeof value.reason === 'string'
  );
}
