import type { Pool } from 'pg';

export interface HoldRow {
  id: string;
  image: string;
  tag: string;
  revision: string;
  rollout_id: string | null;
  reason: string;
  created_at: Date;
  created_key: string;
}

/** Standing holds, newest first. */
export async function listHolds(pool: Pool, limit: number, before: [string, string] | undefined): Promise<HoldRow[]> {
  const { rows } = await pool.query<HoldRow>(
    `select id, image, tag, revision, rollout_id, reason, created_at, (created_at at time zone 'UTC')::text || '+00' as created_key
       from image_holds
      where lifted_at is null and ($2::timestamptz is null or (created_at, id) < ($2::timestamptz, $3::uuid))
      order by created_at desc, id desc limit $1`,
    [limit + 1, before?.[0] ?? null, before?.[1] ?? null],
  );
  return rows;
}

/** Lifts a standing hold, with its event in the rollout that placed it; false when there is none. Twice changes nothing more. */
export async function liftHold(pool: Pool, id: string, actor: string): Promise<boolean> {
  const { rows } = await pool.query<{ lifted: boolean }>(
    `with lifted as (
       update image_holds set lifted_at = fleetwave.now(), lifted_by = $2 where id = $1 and lifted_at is null returning id, rollout_id, image, tag, revision
     ), noted as (
       insert into rollout_events (rollout_id, type, actor, data)
       select rollout_id, 'hold.lifted', $2, jsonb_build_object('hold_id', id, 'image', image, 'tag', tag, 'revision', revision)
         from lifted where rollout_id is not null
     )
     select exists (select from lifted) as lifted`,
    [id, actor],
  );
  return rows[0]?.lifted ?? false;
}
