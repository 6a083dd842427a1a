import type { PoolClient } from 'pg';
import { onlyRow } from './only-row';
import type { KeptPlan } from './plan-previews';
import { PLAN_SELECTION, planParameters } from './plan-selection';
import type { RolloutFacts } from './rollout-facts';

/** Devices named of each batch and of each reason; of the others the number alone is said. */
export const MOST_NAMED = 500;

/** Devices of a batch by what decides when they may be told. */
export interface PreviewedGroup {
  /** Their zone where windows go by it, else UTC. */
  zone: string;
  /** Their fleet where it was asked for, else null. */
  fleetId: string | null;
  devices: number;
  offline: number;
}

export interface PreviewedBatch {
  number: number;
  planned: number;
  requires_approval: boolean;
  delay_seconds: number | null;
  soak_seconds: number | null;
  device_uuids: string[];
  more: number;
  groups: PreviewedGroup[];
}

export interface PreviewedPlan {
  already_on_target: number;
  batches: PreviewedBatch[];
  left_out: { reason: string; count: number; device_uuids: string[]; more: number }[];
  takes_over_from: { rollout_id: string; tag: string; workflow_id: string; devices: number }[];
  /** By the clock by which target state is written. */
  now_ms: number;
  kept: KeptPlan;
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

/**
 * `arrays (listed_uuids, listed_batches, listed_changes)` of the same, as text that is passed on without being looked into. Where a device's
 * image is changed from is told by its services; what to, and their place in a list, may change without it.
 */
const ARRAYS = `arrays as (
  select coalesce(array_agg(device_uuid order by device_uuid), '{}')::text as listed_uuids,
         coalesce(array_agg(batch order by device_uuid), '{}')::text as listed_batches,
         coalesce(array_agg(hashtextextended(coalesce((select jsonb_agg(c - 'to' - 'index') from jsonb_array_elements(changes) c)::text, ''), 0) order by device_uuid), '{}')::text as listed_changes
    from listed
)`;

const OWNER = '(select policy_id from image_rollouts where id = $1) as policy_id';
type KeptColumns = Pick<KeptPlan, 'plan_hash' | 'policy_id' | 'listed_uuids' | 'listed_batches' | 'listed_changes'>;

const PREVIEW = `${PLAN_SELECTION}, listed as materialized (
  select b.device_uuid, b.batch, b.approval, (b.step ->> 'delaySeconds')::int as delay, (b.step ->> 'soakSeconds')::int as soak, j.changes,
         j.fleet_id, coalesce(j.last_seen_at < fleetwave.now() - make_interval(secs => $11::float8), false) as offline
    from batched b join judged j using (device_uuid)
), ${HASHED}, ${ARRAYS}, groups as (
  select batch, jsonb_agg(jsonb_build_object('zone', zone, 'fleetId', fleet, 'devices', devices, 'offline', offline) order by zone, fleet) as groups
    from (select l.batch, coalesce(d.timezone, 'UTC') as zone, case when l.fleet_id = any ($13::text[]) then l.fleet_id end as fleet,
                 count(*) as devices, count(*) filter (where l.offline) as offline
            from listed l left join devices d on $12::boolean and d.uuid = l.device_uuid group by 1, 2, 3) counted
   group by batch
), batches as (
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
select (select count(*)::int from judged where on_target) as already_on_target,
       (select coalesce(jsonb_agg(jsonb_build_object('number', batch, 'planned', planned, 'requires_approval', approval, 'delay_seconds', delay,
          'soak_seconds', soak, 'device_uuids', named, 'more', planned - cardinality(named), 'groups', groups) order by batch), '[]')
          from batches join groups using (batch)) as batches,
       (select coalesce(jsonb_agg(jsonb_build_object('reason', reason, 'count', count, 'device_uuids', named,
          'more', count - cardinality(named)) order by reason), '[]') from reasons) as left_out,
       (select coalesce(jsonb_agg(jsonb_build_object('rollout_id', id, 'tag', tag, 'workflow_id', workflow_id, 'devices', devices) order by id), '[]')
          from losing) as takes_over_from,
       (extract(epoch from fleetwave.now()) * 1000)::float8 as now_ms, plan_hash, ${OWNER}, arrays.*
  from hashed cross join arrays`;

/**
 * The plan that this rollout would get now; writes nothing. Devices are told apart by their zones where the rollout has windows
 * that go by them, and by those of the given fleets that they belong to.
 */
export async function previewPlan(
  client: PoolClient,
  rollout: RolloutFacts,
  fleets: readonly string[] = [],
): Promise<PreviewedPlan> {
  const { offlineAfterSeconds, windows } = rollout.rules;
  const byZone = windows.some((window) => window.timezone === 'device');
  const found = await client.query<Omit<PreviewedPlan, 'kept'> & KeptColumns>(PREVIEW, [
    ...planParameters(rollout),
    offlineAfterSeconds,
    byZone,
    fleets,
  ]);
  const { already_on_target, batches, left_out, takes_over_from, now_ms, ...kept } = onlyRow(found);
  return { already_on_target, batches, left_out, takes_over_from, now_ms, kept: keptPlan(rollout, kept) };
}

/**
 * A plan that is stored. What a device that still waits would be changed to is read from its target state, so that an edit
 * since the planning changes the hash.
 * @returns null when the rollout is not planned yet.
 */
export async function storedPlan(client: Pick<PoolClient, 'query'>, rollout: RolloutFacts): Promise<KeptPlan | null> {
  if (rollout.plannedAt === null) return null;
  const { id, image, tag, digest, rules } = rollout;
  const result = await client.query<KeptColumns>(
    `with listed as materialized (
       select s.device_uuid, s.batch, b.requires_approval as approval, b.delay_seconds as delay, b.soak_seconds as soak,
              case when s.status = 'pending' then fleetwave.image_changes(t.apps, $2, $3, $4, $5) else s.changes end as changes
         from device_rollout_status s
         join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch
         join device_target_state t on t.device_uuid = s.device_uuid
        where s.rollout_id = $1
     ), ${HASHED}, ${ARRAYS}
     select plan_hash, ${OWNER}, arrays.* from hashed cross join arrays`,
    [id, image, tag, digest, rules.pin],
  );
  return keptPlan(rollout, onlyRow(result));
}

function keptPlan({ image, tag, digest, rules }: RolloutFacts, columns: KeptColumns): KeptPlan {
  return { ...columns, image, tag, digest, rules };
}
