import { NO_ADDRESS } from '../domain/checks';
import type { SelectedDevices } from '../domain/rules';
import type { RolloutFacts } from './rollout-facts';
import { TAKEN_BACK } from './take-over';
import { TOLD_UNPROVEN } from './unproven';

/**
 * Which devices a rollout ($1) would update and in which batch, without writing anything: the plan and its preview are made
 * from these very tables. Finds the affected devices by the image index, orders them (online first, then a hash of device and
 * release, so that the same customers are not always first, and that a preview knows the order before there is a rollout),
 * and cuts batches. Devices whose present version the tag rule does not let this one replace are left out with the reason;
 * so are those that an older rollout is about to bring a newer version, or a tag pushed late would undo it before it has
 * arrived; and those that a newer rollout has, or has brought its image, where this one comes to be planned late. Versions are
 * compared once for each tag, not for each device. Where the policy has checks that are made at the device's address, one that
 * has none could never be proven, and is left out.
 */
export const PLAN_SELECTION = `with rule as materialized (
  select rules -> 'growth' as growth, coalesce(rules -> 'tagRule' ->> 'kind' = 'semver', false) as by_version,
         coalesce((rules -> 'tagRule' ->> 'allowDowngrade')::boolean, false) as allow_downgrade,
         concat_ws(' ', image, tag, revision) as release, fleetwave.has_probes(rules) as probed,
         make_interval(secs => (rules ->> 'offlineAfterSeconds')::float8) as offline_after, created_at
    from image_rollouts where id = $1
), newer as materialized (
  select r.id from image_rollouts r cross join rule where r.image = $2 and r.created_at > rule.created_at
), affected as materialized (
  select t.device_uuid, d.tags, d.fleet_id, d.last_seen_at, d.address,
         fleetwave.image_changes(t.apps, $2, $3, $4, $5) as changes
    from device_target_state t join devices d on d.uuid = t.device_uuid
   where fleetwave.app_images(t.apps) @> array[$2::text] and d.is_active
     and ($6::text is null or d.fleet_id = $6) and ($7::jsonb is null or d.tags @> $7) and ($8::uuid[] is null or d.uuid = any ($8))
     -- Who has a part in it already is not looked at again.
     and not exists (select from device_rollout_status own where own.rollout_id = $1 and own.device_uuid = t.device_uuid)
     and not exists (select from jsonb_to_recordset($10::jsonb) as earlier ("fleetId" text, "deviceTags" jsonb, "deviceUuids" jsonb)
                      where (earlier."fleetId" is null or d.fleet_id = earlier."fleetId") and (earlier."deviceTags" is null or d.tags @> earlier."deviceTags")
                        and (earlier."deviceUuids" is null or earlier."deviceUuids" ? d.uuid::text))
), present as materialized (
  select a.*, array(select split_part(split_part(split_part(c ->> 'from', '@', 1), '/', -1), ':', 2)
                      from jsonb_array_elements(a.changes) c where c -> 'from' <> c -> 'to') as present_tags,
         case when by_version then (
           select r.tag from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
            where s.device_uuid = a.device_uuid and s.image = $2 and s.active and s.status = 'pending' and s.rollout_id <> $1
              and r.ended_at is null) end as coming_tag,
         -- Told of this very tag by an older rollout, and not proven: that is no reason to leave it alone.
         exists (select from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
                  where s.device_uuid = a.device_uuid and s.image = $2 and s.active and s.rollout_id <> $1
                    and (s.status in (${TOLD_UNPROVEN}, 'superseded') or s.status = 'completed' and ${TAKEN_BACK})) as unproven,
         exists (select from newer join device_rollout_status s on s.rollout_id = newer.id and s.device_uuid = a.device_uuid
                  where s.active or s.status = 'completed') as has_newer
    from affected a cross join rule
), obstacles as materialized (
  select coalesce(jsonb_object_agg(tag, obstacle) filter (where obstacle is not null), '{}') as by_tag
    from (select distinct tag from present cross join lateral unnest(present_tags || coming_tag) tag where tag <> '') tags
   cross join rule cross join lateral fleetwave.version_obstacle($3, tag, allow_downgrade) obstacle
   where by_version
), judged as materialized (
  select present.*, cardinality(present_tags) = 0 and not unproven as on_target,
         case when cardinality(present_tags) = 0 and not unproven then 'already on target' when has_newer then 'a newer rollout has it by now' else coalesce(
           (select by_tag ->> tag from unnest(present_tags) tag where by_tag ? tag limit 1),
           case when starts_with(by_tag ->> coming_tag, 'downgrade') then (by_tag ->> coming_tag) || ', which another rollout is about to bring' end,
           case when probed and address is null then '${NO_ADDRESS}' end) end as left_out_reason
    from present cross join obstacles cross join rule
), ordered as (
  select *, row_number() over (order by (last_seen_at is null or last_seen_at > fleetwave.now() - offline_after) desc,
                                        md5(device_uuid::text || release), device_uuid) as position
    from judged cross join rule where left_out_reason is null
), batched as (
  select b.device_uuid, b.batch, b.approval, steps -> (b.step - 1) as step
    from (select array_agg(device_uuid order by position) as devices, array_agg(tags order by position) as tags,
                 array_agg(fleet_id order by position) as fleets, count(*) as total from ordered) list
   cross join rule
   cross join lateral (select case when jsonb_typeof(rule.growth) = 'object' then fleetwave.growing_steps(rule.growth, list.total) else $9::jsonb end) cut (steps)
   cross join lateral fleetwave.assign_batches(list.devices, list.tags, list.fleets, steps) b
   where list.devices is not null
)`;

/** $1 to $10 of the selection. */
export function planParameters({ id, image, tag, digest, rules, selection }: RolloutFacts): unknown[] {
  return [
    id,
    image,
    tag,
    digest,
    rules.pin,
    selection.fleetId ?? null,
    selection.deviceTags === undefined ? null : JSON.stringify(selection.deviceTags),
    selection.deviceUuids ?? null,
    JSON.stringify(rules.steps),
    selection.except === undefined ? null : JSON.stringify(selection.except.map(asLookUp)),
  ];
}

/** Devices as the keys of an object: found by a search, where a list of thousands would be gone through for each device. */
function asLookUp({ fleetId, deviceTags, deviceUuids }: SelectedDevices): object {
  if (deviceUuids === undefined) return { fleetId, deviceTags };
  return { fleetId, deviceTags, deviceUuids: Object.fromEntries(deviceUuids.map((uuid) => [uuid, 1])) };
}
