import type { Pool } from 'pg';
import type { PolicySettings } from '../domain/policy-settings';
import type { Strategy } from '../domain/rules';

/** What of the enabled policies says which tags they watch. Policies are few: people write them. */
export async function readWatchingPolicies(
  pool: Pool,
): Promise<{ imagePattern: string; update_strategy: Strategy; settings: PolicySettings }[]> {
  const { rows } = await pool.query<{ imagePattern: string; update_strategy: Strategy; settings: PolicySettings }>(
    'select image_pattern as "imagePattern", update_strategy, settings from image_update_policies where enabled order by id',
  );
  return rows;
}
