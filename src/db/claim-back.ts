import type { PoolClient } from 'pg';
import { onlyRow } from './only-row';
import { CHANGED_HERE, isBack, LEFT_TO_NEWER } from './put-back-facts';

/**
 * Gives an ended rollout ($1) those of its devices back ($2: only these) whose target it wrote and that no newer rollout has,
 * so that they can be put back and their reports count. Where that was done before and not confirmed, the device is told once
 * more: a new version of the same target. Call with plans locked: a device has one active row.
 */
const CLAIM_BACK = `
with ours as materialized (
  select s.rollout_id, s.device_uuid, s.changes, ${LEFT_TO_NEWER} as taken,
         s.status = 'rollback_failed' or s.status = 'rolling_back' and not s.active as unconfirmed
    from device_rollout_status s where s.rollout_id = $1 and ${CHANGED_HERE} and ($2::uuid[] is null or s.device_uuid = any ($2))
   order by s.device_uuid for update of s
), held as materialized (
  select ours.rollout_id, ours.device_uuid, t.version, ${isBack('ours.changes')} as back
    from ours join device_target_state t on t.device_uuid = ours.device_uuid
   where ours.unconfirmed and not ours.taken order by t.device_uuid for update of t
), told_again as (
  update device_target_state t set version = t.version + 1, updated_at = fleetwave.now() from held where t.device_uuid = held.device_uuid and held.back
), turns as (
  select rollout_id, device_uuid, case when back then 'again' else 'edited' end as turn, version + 1 as version from held
   union all
  select rollout_id, device_uuid, case when not taken then 'claim' when unconfirmed then 'gone' else 'left' end, null from ours where taken or not unconfirmed
), moved as (
  update device_rollout_status s
     set active = turn in ('again', 'claim'),
         status = case when turn = 'again' then 'rolling_back' when turn in ('edited', 'gone') then 'superseded' else s.status end,
         reason = case when turn = 'edited' then 'its target was changed by someone else: left alone' when turn in ('gone', 'left') then 'a newer rollout has it' else s.reason end,
         target_version = coalesce(w.version, s.target_version), updated_at = fleetwave.now(),
         written_at = case when turn = 'again' then fleetwave.clock() else s.written_at end,
         deadline_at = case when turn = 'again' then fleetwave.clock() + (
           select make_interval(secs => (r.rules ->> 'rollbackTimeoutSeconds')::float8) from image_rollouts r where r.id = $1) else s.deadline_at end
    from turns w where s.rollout_id = w.rollout_id and s.device_uuid = w.device_uuid
  returning s.device_uuid, s.batch, s.status, s.reason, s.target_version, w.turn
), events as (
  insert into rollout_events (rollout_id, type, device_uuid, batch, reason, data)
  select $1, case turn when 'again' then 'device.rollback_scheduled' else 'device.superseded' end, device_uuid, batch, reason,
         case turn when 'again' then jsonb_build_object('version', target_version) else '{}' end
    from moved where turn in ('again', 'edited', 'gone')
)
select count(*) filter (where turn in ('again', 'claim'))::int as claimed, count(*) filter (where turn = 'again')::int as "toldAgain",
       count(*) filter (where turn in ('gone', 'left'))::int as "leftToNewer"
  from moved`;

export interface ClaimedBack {
  claimed: number;
  /** Of them, those that had been put back before and never confirmed it. */
  toldAgain: number;
  leftToNewer: number;
}

/** Running it twice tells nobody twice: what was told again is active and on its way. */
export async function claimBack(
  client: PoolClient,
  rolloutId: string,
  devices: readonly string[] | null,
): Promise<ClaimedBack> {
  return onlyRow(await client.query<ClaimedBack>(CLAIM_BACK, [rolloutId, devices]));
}
