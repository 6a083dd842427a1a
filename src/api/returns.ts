import type { Pool } from 'pg';
import { claimReturns } from '../db/catch-up';
import type { Logger } from '../log';
import type { TemporalGateway } from './temporal';

export interface ReturnsDeps {
  pool: Pool;
  log: Logger;
  temporal: Pick<TemporalGateway, 'signal'>;
}

/** Tells the rollouts that wait for one of these devices that it was seen: one signal a wave, however many come back. */
export function tellReturns({ pool, log, temporal }: ReturnsDeps): (deviceUuids: readonly string[]) => Promise<void> {
  return async (deviceUuids) => {
    try {
      const workflowIds = await claimReturns(pool, deviceUuids);
      await Promise.all(workflowIds.map((workflowId) => temporal.signal(workflowId, 'health', {})));
    } catch (error) {
      log.warn({ err: error }, 'could not tell rollouts that devices are back; their workflows look by themselves');
    }
  };
}
