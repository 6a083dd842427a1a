import type { Pool } from 'pg';

/** Rows a statement deletes: short locks, and intake never waits for it. */
const CHUNK = 5000;

/** Deletes one chunk of webhook deliveries last received before that many days. @returns how many were deleted. */
export async function pruneDeliveries(pool: Pool, olderThanDays: number): Promise<{ deleted: number; more: boolean }> {
  return pruned(
    pool,
    `delete from webhook_deliveries where id in (
       select id from webhook_deliveries where last_received_at < now() - make_interval(days => $1)
        order by last_received_at limit $2 for update skip locked)`,
    olderThanDays,
  );
}

/** Deletes one chunk of the events of rollouts that ended before that many days; the rollouts themselves stay. */
export async function pruneEvents(pool: Pool, olderThanDays: number): Promise<{ deleted: number; more: boolean }> {
  return pruned(
    pool,
    `delete from rollout_events where id in (
       select e.id from image_rollouts r join rollout_events e on e.rollout_id = r.id
        where r.ended_at < now() - make_interval(days => $1) limit $2)`,
    olderThanDays,
  );
}

/** Plans that were previewed before that many days: who comes so late is told sizes, not devices. */
const PREVIEWS_KEPT_DAYS = 7;

/** Deletes one chunk of kept previews; their age has nothing to do with how long history is kept, unless that is shorter. */
export async function prunePreviews(pool: Pool, olderThanDays: number): Promise<{ deleted: number; more: boolean }> {
  return pruned(
    pool,
    `delete from plan_previews where plan_hash in (
       select plan_hash from plan_previews where created_at < now() - make_interval(days => $1) limit $2 for update skip locked)`,
    Math.min(olderThanDays, PREVIEWS_KEPT_DAYS),
  );
}

/** Deletes one chunk of what came from registries before that many days; what became of it stays in the deliveries. */
export async function pruneBodies(pool: Pool, olderThanDays: number): Promise<{ deleted: number; more: boolean }> {
  return pruned(
    pool,
    `delete from webhook_requests where id in (
       select id from webhook_requests where received_at < now() - make_interval(days => $1)
        order by received_at limit $2 for update skip locked)`,
    olderThanDays,
  );
}

async function pruned(
  pool: Pool,
  statement: string,
  olderThanDays: number,
): Promise<{ deleted: number; more: boolean }> {
  const { rowCount } = await pool.query(statement, [olderThanDays, CHUNK]);
  const deleted = rowCount ?? 0;
  return { deleted, more: deleted === CHUNK };
}
