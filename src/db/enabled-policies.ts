import type { PoolClient } from 'pg';
import type { PolicyFacts } from '../domain/policy-settings';

export interface EnabledPolicy extends PolicyFacts {
  id: string;
  imagePattern: string;
  priority: number;
  /** ISO 8601 in UTC to the microsecond: its text order is its time order. */
  createdAt: string;
  /** Of its rollout of this image and tag that has not ended. */
  laneInUse: string | null;
}

/** Every policy that may decide about a push of this tag. Policies are few: people write them. */
export async function readEnabledPolicies(
  client: Pick<PoolClient, 'query'>,
  image: string,
  tag: string,
): Promise<EnabledPolicy[]> {
  const { rows } = await client.query<EnabledPolicy>(
    `select id, image_pattern as "imagePattern", update_strategy, settings, fleet_id, device_tags, device_uuids, priority,
            to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
            (select lane from image_rollouts r
              where r.image = $1 and r.tag = $2 and r.ended_at is null and r.policy_id = p.id
              order by r.created_at desc, r.id desc limit 1) as "laneInUse"
       from image_update_policies p where enabled`,
    [image, tag],
  );
  return rows;
}
