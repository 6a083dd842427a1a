import type { PoolClient } from 'pg';
import { onlyRow } from './only-row';
import { PLAN_SELECTION, planParameters } from './plan-selection';
import type { RolloutFacts } from './rollout-facts';

/** Devices named of each batch and of each reason; of the others the number alone is said. */
const MOST_NAMED = 500;

export interface PreviewedBatch {
  number: number;
  planned: number;
  requires_approval: boolean;
  delay_seconds: number | null;
  soak_seconds: number | null;
  device_uuids: string[];
  more: number;
}

export interface PreviewedPlan {
  plan_hash: string;
  already_on_target: number;
  batches: PreviewedBatch[];
  left_out: { reason: string; count: number; device_uuids: string[]; more: number }[];
  takes_over_from: { rollout_id: string; tag: string; workflow_id: string; devices: number }[];
}

/**
 * `hashed (plan_hash)` of `listed (device_uuid, batch, approval, delay, soak, changes)`: all that decides what happens to which
 * device when. Before the hash stand the sizes of the batches, so that a changed plan can be told from the old hash alone.
 */
const HASHED = `counted as (
  select batch, count(*)::int as planned, bool_or(approval) as approval, delay, soak,
         md5(string_agg(device_uuid::text || md5(changes::text), ',' order by device_uuid)) as content
    from listed group by batch, delay, soak
), hashed as (
  select coalesce((select string_agg(planned::text, '-' order by batch) from counted), '0') || '.' ||
         encode(sha256(convert_to(concat_ws(' ', image, tag, coalesce(digest, '-'), rules::text,
           (select string_agg(concat_ws(' ', batch, planned, approval, coalesce(delay, -1), coalesce(soak, -1), content), ';' order by batch) from counted)), 'UTF8')), 'hex') as plan_hash
    from image_rollouts where id = $1
)`;

const PREVIEW = `${PLAN_SELECTION}, listed as materialized (
  select b.device_uuid, b.batch, b.approval, (b.step ->> 'delaySeconds')::int as delay, (b.step ->> 'soakSeconds')::int as soak, j.changes
    from batched b join judged j using (device_uuid)
), ${HASHED}, batches as (
  select batch, count(*)::int as planned, bool_or(approval) as approval, delay, soak,
         (array_agg(device_uuid order by device_uuid))[1:${MOST_NAMED}] as named
    from listed group by batch, delay, soak
), reasons as (
  select left_out_reason as reason, count(*)::int as count, (array_agg(device_uuid order by device_uuid))[1:${MOST_NAMED}] as named
    from judged where not on_target and left_out_reason is not null group by left_out_reason
), losing as (
  select r.id, r.tag, r.workflow_id, count(*)::int as devices
    from listed l join device_rollout_status s on s.device_uuid = l.device_uuid and s.image = $2 and s.active and s.rollout_id <> $1
    join image_rollouts r on r.id = s.rollout_id and r.ended_at is null
   group by r.id
)
select plan_hash, (select count(*)::int from judged where on_target) as already_on_target,
       (select coalesce(jsonb_agg(jsonb_build_object('number', batch, 'planned', planned, 'requires_approval', approval, 'delay_seconds', delay,
          'soak_seconds', soak, 'device_uuids', named, 'more', planned - cardinality(named)) order by batch), '[]') from batches) as batches,
       (select coalesce(jsonb_agg(jsonb_build_object('reason', reason, 'count', count, 'device_uuids', named,
          'more', count - cardinality(named)) order by reason), '[]') from reasons) as left_out,
       (select coalesce(jsonb_agg(jsonb_build_object('rollout_id', id, 'tag', tag, 'workflow_id', workflow_id, 'devices', devices) order by id), '[]')
          from losing) as takes_over_from
  from hashed`;

/** The plan that this rollout would get now; writes nothing. */
export async function previewPlan(client: PoolClient, rollout: RolloutFacts): Promise<PreviewedPlan> {
  return onlyRow(await client.query<PreviewedPlan>(PREVIEW, planParameters(rollout)));
}

/**
 * The hash of a plan that is stored. What a device that still waits would be changed to is read from its target state, so
 * that an edit since the planning changes the hash.
 * @returns null when the rollout is not planned yet.
 */
export async function storedPlanHash(client: Pick<PoolClient, 'query'>, rollout: RolloutFacts): Promise<string | null> {
  if (rollout.plannedAt === null) return null;
  const { id, image, tag, digest, rules } = rollout;
  const result = await client.query<{ plan_hash: string }>(
    `with listed as materialized (
       select s.device_uuid, s.batch, b.requires_approval as approval, b.delay_seconds as delay, b.soak_seconds as soak,
              case when s.status = 'pending' then fleetwave.image_changes(t.apps, $2, $3, $4, $5) else s.changes end as changes
         from device_rollout_status s
         join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch
         join device_target_state t on t.device_uuid = s.device_uuid
        where s.rollout_id = $1
     ), ${HASHED}
     select plan_hash from hashed`,
    [id, image, tag, digest, rules.pin],
  );
  return onlyRow(result).plan_hash;
}
