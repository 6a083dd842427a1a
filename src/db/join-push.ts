import type { PoolClient } from 'pg';

export interface JoiningPush {
  digest: string | null;
  /** What the rollout is known by where this event is the first to know its digest. */
  revision: string;
  attempt: number;
  /** Goes into the event. */
  said: Record<string, unknown>;
}

/**
 * Takes another event of the same push into a rollout that still gathers, in one statement. Call with the tag locked.
 * @returns false when it is being dispatched, or was: its plan may be made without this event. A claim is told by
 * `dispatch_attempts`, because the time of a transaction that waited for the tag may be before it.
 */
export async function joinPush(client: PoolClient, rolloutId: string, push: JoiningPush): Promise<boolean> {
  const { rowCount } = await client.query(
    `with joined as (
       update image_rollouts
          set digest = coalesce(digest, $2),
              revision = case when digest is null and $2::text is not null then $3 else revision end,
              attempt = case when digest is null and $2::text is not null then $4 else attempt end
        where id = $1 and ended_at is null and dispatched_at is null and dispatch_attempts = 0 and gathers_until > now()
       returning id
     )
     insert into rollout_events (rollout_id, type, data) select id, 'rollout.push_joined', $5 from joined`,
    [rolloutId, push.digest, push.revision, push.attempt, JSON.stringify(push.said)],
  );
  return rowCount === 1;
}
