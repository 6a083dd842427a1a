import { Client, Connection } from '@temporalio/client';
import type { Place } from './place';

/** Events of a workflow's history, as Temporal counts them. */
export async function historyLength(place: Place, workflowId: string): Promise<number> {
  const connection = await Connection.connect({ address: place.stack.temporalAddress });
  try {
    return (await new Client({ connection }).workflow.getHandle(workflowId).describe()).historyLength;
  } finally {
    await connection.close();
  }
}
