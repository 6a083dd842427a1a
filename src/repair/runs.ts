import { Client, type Connection, type WorkflowExecutionInfo } from '@temporalio/client';
import { readClosing, terminatedByRepair } from '../api/latest-run';
import type { Config } from '../config';
import { rollbackWorkflowType, rolloutWorkflowType, searchAttributes, type PushMemo } from '../workflows/messages';
import { deedsOf, type Deeds } from './deeds';

/** A workflow of a rollout, or of a rollback after its end, as Temporal lists it. */
export interface ListedRun {
  workflowId: string;
  runId: string;
  rolloutId: string;
  isRollback: boolean;
  image: string;
  tag: string;
  /** Null where an older build started it. */
  push: PushMemo | null;
  state: string;
  startedAt: number;
}

type RunOf = Pick<ListedRun, 'workflowId' | 'runId'>;

/** All that a repair asks of Temporal besides what the API does. */
export interface Runs {
  list: (progress: (found: number) => void) => Promise<ListedRun[]>;
  closing: (run: RunOf) => ReturnType<typeof readClosing>;
  deeds: (run: RunOf) => Promise<Deeds>;
  terminate: (run: RunOf, why: string) => Promise<void>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function temporalRuns(connection: Connection, config: Config): Runs {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  // Another installation may share the namespace: its task queue is another one.
  const query = `TaskQueue = '${config.FLEETWAVE_TASK_QUEUE}' AND WorkflowType IN ('${rolloutWorkflowType}', '${rollbackWorkflowType}')`;
  return {
    list: async (progress) => {
      const runs: ListedRun[] = [];
      for await (const execution of client.workflow.list({ query })) {
        const run = listed(execution);
        if (run !== null) runs.push(run);
        progress(runs.length);
      }
      return runs;
    },
    closing: ({ workflowId, runId }) => readClosing(client, workflowId, runId),
    deeds: async ({ workflowId, runId }) => deedsOf(await client.workflow.getHandle(workflowId, runId).fetchHistory()),
    terminate: async ({ workflowId, runId }, why) => {
      await client.workflow.getHandle(workflowId, runId).terminate(`${terminatedByRepair}: ${why}`);
    },
  };
}

/** Null for one that was started by hand: it has no memo of ours. */
function listed(execution: WorkflowExecutionInfo): ListedRun | null {
  const { workflowId, runId, memo, status, startTime, typedSearchAttributes: attributes } = execution;
  const rolloutId = memo?.['rolloutId'];
  const image = attributes.get(searchAttributes.image);
  const tag = attributes.get(searchAttributes.tag);
  if (typeof rolloutId !== 'string' || !UUID.test(rolloutId) || image === undefined || tag === undefined) return null;
  return {
    ...{ workflowId, runId, rolloutId, image, tag },
    isRollback: execution.type === rollbackWorkflowType,
    push: isPush(memo?.['push']) ? memo['push'] : null,
    state: status.name,
    startedAt: startTime.getTime(),
  };
}

function isPush(value: unknown): value is PushMemo {
  return typeof value === 'object' && value !== null && 'revision' in value && typeof value.revision === 'string';
}
