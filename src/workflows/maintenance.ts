import type { PruneInput, PruneResult } from '../activities/maintain';
import { chunked } from './activity-options';

/** Started by the schedule `fleetwave-maintenance`, once a day: deletes what is older than the time it is kept. */
export async function maintenance(input: PruneInput): Promise<PruneResult> {
  return chunked.pruneHistory.executeWithOptions({ summary: `delete what is older than ${input.olderThanDays} days` }, [
    input,
  ]);
}
