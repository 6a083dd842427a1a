import type { PoolClient } from 'pg';
import type { RolloutStatus } from '../domain/rollout-states';
import type { DeviceSelection, RolloutRules } from '../domain/rules';

/** What the activities need to know of a rollout. */
export interface RolloutFacts {
  id: string;
  image: string;
  tag: string;
  digest: string | null;
  revision: string;
  status: RolloutStatus;
  strategy: string;
  rules: RolloutRules;
  selection: DeviceSelection;
  plannedAt: string | null;
  reason: string | null;
}

/** The rollout, or null when there is none of that id. */
export async function readRollout(pool: Pick<PoolClient, 'query'>, rolloutId: string): Promise<RolloutFacts | null> {
  const found = await pool.query<RolloutFacts>(
    `select id, image, tag, digest, revision, status, strategy, rules, selection, planned_at::text as "plannedAt", reason
       from image_rollouts where id = $1`,
    [rolloutId],
  );
  return found.rows[0] ?? null;
}
