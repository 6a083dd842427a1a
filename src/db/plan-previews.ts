import type { Pool } from 'pg';
import type { RolloutRules } from '../domain/rules';
import { onlyRow } from './only-row';

/** A plan as it is kept. The lists are PostgreSQL's own text of arrays, of all devices in one order. */
export interface KeptPlan {
  plan_hash: string;
  image: string;
  tag: string;
  digest: string | null;
  policy_id: string | null;
  rules: RolloutRules;
  listed_uuids: string;
  listed_batches: string;
  listed_changes: string;
}

/** Plans of one tag that are kept: a preview asked for every minute must not fill the disk before the daily pruning. */
const KEPT_OF_A_TAG = 50;

/** Keeps what was shown, for telling later what has changed; the oldest of the tag's go. Showing a plan again keeps it longer. */
export async function keepPlans(pool: Pool, plans: readonly KeptPlan[]): Promise<void> {
  for (const { plan_hash, image, tag, digest, policy_id, rules, ...listed } of plans) {
    await pool.query(
      `with kept as (
         insert into plan_previews (plan_hash, image, tag, digest, policy_id, rules, device_uuids, batches, changes)
         values ($1, $2, $3, $4, $5, $6, $7::text::uuid[], $8::text::integer[], $9::text::bigint[])
         on conflict (plan_hash) do update set created_at = now(), policy_id = excluded.policy_id
       )
       delete from plan_previews where plan_hash in (
         select plan_hash from plan_previews where image = $2 and tag = $3 and plan_hash <> $1
          order by created_at desc offset ${KEPT_OF_A_TAG - 1} for update skip locked)`,
      [
        keyOf(plan_hash),
        ...[image, tag, digest, policy_id, JSON.stringify(rules)],
        ...[listed.listed_uuids, listed.listed_batches, listed.listed_changes],
      ],
    );
  }
}

/** Of these plan_hashes, the one that is kept as the policy's, or null. */
export async function keptOfPolicy(pool: Pool, hashes: readonly string[], policyId: string): Promise<string | null> {
  const { rows } = await pool.query<{ plan_hash: string }>(
    'select plan_hash from plan_previews where plan_hash = any ($1::text[]) and policy_id = $2',
    [hashes.map(keyOf), policyId],
  );
  return hashes.find((hash) => rows.some((row) => row.plan_hash === keyOf(hash))) ?? null;
}

export interface ChangedDevices {
  count: number;
  device_uuids: string[];
}

export interface MovedDevice {
  device_uuid: string;
  from_batch: number;
  to_batch: number;
  /** Where several policies decide, and another one's plan has the device now. */
  from_policy_id?: string | null;
  to_policy_id?: string | null;
}

/** What two sets of plans that one push makes differ in. */
export interface PlanDifference {
  added: ChangedDevices;
  removed: ChangedDevices;
  moved: { count: number; devices: MovedDevice[] };
  changed_from: ChangedDevices;
  rules_changed: boolean;
  /** `image:tag@digest`, where the plans are of different ones. */
  previewed_release: string[];
  release: string[];
}

/**
 * Both sets are read from what is kept. Plans are held against each other by the policy that they are of; where there is one on
 * each side, by that. A device is one of added, removed and moved; one that was moved may be changed from another image too.
 */
const DIFFERENCE = `with plans as materialized (
  select side, p.*, image || ':' || tag || coalesce('@' || digest, '') as release, count(*) over (partition by side) as in_all
    from (select 'previewed' as side, hash from unnest($1::text[]) hash union all select 'now', hash from unnest($2::text[]) hash) asked
    join plan_previews p on p.plan_hash = asked.hash
), several as (
  select coalesce(max(in_all), 0) > 1 as several from plans
), listed as materialized (
  select side, case when several then policy_id end as policy_id, d.*
    from plans cross join several cross join lateral unnest(device_uuids, batches, changes) d (device_uuid, batch, change)
), differing as materialized (
  select device_uuid, p.batch as from_batch, n.batch as to_batch, p.policy_id as from_policy, n.policy_id as to_policy,
         p.batch is null as added, n.batch is null as removed, p.change <> n.change as changed,
         p.batch <> n.batch or (p.batch is not null and n.batch is not null and p.policy_id is distinct from n.policy_id) as moved
    from (select * from listed where side = 'previewed') p full join (select * from listed where side = 'now') n using (device_uuid)
   where p.batch is distinct from n.batch or p.change is distinct from n.change or p.policy_id is distinct from n.policy_id
)
select (select count(*) from plans) = cardinality($1::text[]) + cardinality($2::text[]) as known,
       jsonb_build_object('count', count(*) filter (where added), 'device_uuids', coalesce(to_jsonb((array_agg(device_uuid order by device_uuid) filter (where added))[1:$3]), '[]')) as added,
       jsonb_build_object('count', count(*) filter (where removed), 'device_uuids', coalesce(to_jsonb((array_agg(device_uuid order by device_uuid) filter (where removed))[1:$3]), '[]')) as removed,
       jsonb_build_object('count', count(*) filter (where changed), 'device_uuids', coalesce(to_jsonb((array_agg(device_uuid order by device_uuid) filter (where changed))[1:$3]), '[]')) as changed_from,
       jsonb_build_object('count', count(*) filter (where moved), 'devices', coalesce((
         select jsonb_agg(jsonb_build_object('device_uuid', device_uuid, 'from_batch', from_batch, 'to_batch', to_batch) ||
                  case when from_policy is distinct from to_policy then jsonb_build_object('from_policy_id', from_policy, 'to_policy_id', to_policy) else '{}' end order by device_uuid)
           from (select * from differing where moved order by device_uuid limit $3) first_ones), '[]')) as moved,
       exists (select from plans p join plans n on p.side = 'previewed' and n.side = 'now' and (p.policy_id = n.policy_id or (select not several from several))
                where p.rules <> n.rules) as rules_changed,
       array(select distinct release from plans where side = 'previewed' order by release) as previewed_release,
       array(select distinct release from plans where side = 'now' order by release) as release
  from differing`;

/** The difference of plans, by their plan_hashes; null where one of them is not kept, or not any more. */
export async function planDifference(
  pool: Pool,
  previewed: readonly string[],
  now: readonly string[],
  mostNamed: number,
): Promise<PlanDifference | null> {
  const found = await pool.query<PlanDifference & { known: boolean }>(DIFFERENCE, [
    previewed.map(keyOf),
    now.map(keyOf),
    mostNamed,
  ]);
  const { known, ...difference } = onlyRow(found);
  return known ? difference : null;
}

/** What follows the sizes of the batches identifies the plan. */
function keyOf(planHash: string): string {
  return planHash.slice(planHash.lastIndexOf('.') + 1);
}
