import type { Pool } from 'pg';
import type { Resolution } from '../domain/resolution';
import type { RolloutRules } from '../domain/rules';

/** What is known of a push before its registry is asked, or asked again. */
export interface PushToResolve {
  image: string;
  tag: string;
  digest: string | null;
  /** Rules of older releases say nothing of platforms. */
  rules: Partial<Pick<RolloutRules, 'platforms'>>;
  resolution: Resolution | null;
  /** The standing hold on the digest that its registry gave; null for one that a person asked for, who decides about it. */
  hold: { id: string; reason: string } | null;
  /** It has ended, or has its plan: nothing about it changes any more. */
  settled: boolean;
}

export async function readPushToResolve(pool: Pool, rolloutId: string): Promise<PushToResolve | null> {
  const { rows } = await pool.query<PushToResolve>(
    `select image, tag, digest, rules, resolution, ended_at is not null or planned_at is not null as settled,
            (select jsonb_build_object('id', h.id, 'reason', h.reason) from image_holds h
              where h.image = r.image and h.tag = r.tag and h.lifted_at is null and r.trigger <> 'manual' and r.resolution -> 'gave_digest' = 'true'
                and (h.revision = r.digest or exists (select from image_rollouts other where other.id = h.rollout_id and other.digest = r.digest))
              order by h.created_at desc limit 1) as hold
       from image_rollouts r where id = $1`,
    [rolloutId],
  );
  return rows[0] ?? null;
}

/**
 * Writes what the registry said, and an event where that is news; the digest becomes the rollout's where its sender named none.
 * The revision stays what the push was accepted under. Only "absent" is ever replaced by a later answer: running it twice, or
 * after the plan, changes nothing.
 */
export async function recordResolution(
  pool: Pool,
  rolloutId: string,
  resolution: Resolution,
  said: string,
): Promise<void> {
  await pool.query(
    `with before as (
       select id, resolution ->> 'outcome' as outcome from image_rollouts
        where id = $1 and ended_at is null and planned_at is null and coalesce(resolution ->> 'outcome', 'absent') = 'absent'
          for no key update
     ), resolved as (
       update image_rollouts r set resolution = $2, digest = case when $3 then $4 else r.digest end
         from before where r.id = before.id
     )
     insert into rollout_events (rollout_id, type, reason, data)
     select id, 'rollout.resolved', $5, $2::jsonb from before where outcome is distinct from $6`,
    [rolloutId, JSON.stringify(resolution), resolution.gave_digest, resolution.digest, said, resolution.outcome],
  );
}
