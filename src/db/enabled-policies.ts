import type { PoolClient } from 'pg';
import type { PolicyFacts } from '../domain/policy-settings';

export interface EnabledPolicy extends PolicyFacts {
  id: string;
  imagePattern: string;
  priority: number;
  /** ISO 8601 in UTC to the microsecond: its text order is its time order. */
  createdAt: string;
}

/** Every policy that may decide about a push. Policies are few: people write them. */
export async function readEnabledPolicies(client: Pick<PoolClient, 'query'>): Promise<EnabledPolicy[]> {
  const { rows } = await client.query<EnabledPolicy>(
    `select id, image_pattern as "imagePattern", update_strategy, settings, fleet_id, device_tags, device_uuids, priority,
            to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt"
       from image_update_policies where enabled`,
  );
  return rows;
}
