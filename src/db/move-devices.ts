import type { Pool } from 'pg';
import type { JudgedIn, Move } from '../domain/told-device';

/** Batches in which a device changed its state: their verdict may have changed. */
export interface Touch {
  rolloutId: string;
  batch: number;
}

export interface Moved {
  /** Where devices came into another state. */
  touches: Touch[];
  /** Where somebody else was first. */
  missed: Pick<JudgedIn, 'rolloutId' | 'deviceUuid'>[];
}

/**
 * Moves devices from the state and version they were judged in, and keeps what was shown of them; where either changed meanwhile,
 * or a newer rollout took the device, somebody else was first. A device that runs something else because its target was changed
 * by somebody is not a failure of this rollout, and one that only says that it is well proves what somebody gave it: the rollout
 * lets go of it. One that soaks and is to soak begins anew. Why a device had failed stays with it when it is back. What is kept
 * belongs to one telling. Rows are locked by device, as everywhere. The state is compared in a way that no index serves: a plan
 * kept from when the table was small would read all of a rollout's devices in that state for each device.
 */
export async function moveDevices(pool: Pool, moves: readonly Move[]): Promise<Moved> {
  if (moves.length === 0) return { touches: [], missed: [] };
  const { rows } = await pool.query<Touch & { deviceUuid: string | null }>({
    name: 'move-devices',
    text: `with given as (
       select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::boolean[], $8::text[], $9::text[])
           as g (rollout_id, device_uuid, was, version, next, reason, means, proof, results)
     ), held as materialized (
       select g.*, case when g.next = 'failed' or g.means and g.next is not null then fleetwave.revert_changes(t.apps, s.changes) is null else false end as edited
         from given g join device_rollout_status s on s.rollout_id = g.rollout_id and s.device_uuid = g.device_uuid
         join device_target_state t on t.device_uuid = g.device_uuid
        where s.status is not distinct from g.was and s.target_version = g.version and s.active
        order by s.device_uuid, s.rollout_id for update of s
     ), moved as (
       update device_rollout_status s
          set status = case when h.edited then 'superseded' else coalesce(h.next, s.status) end, active = s.active and not h.edited,
              updated_at = case when h.next is null then s.updated_at else fleetwave.now() end,
              reason = case when h.edited then 'its target was changed by someone else: left alone'
                            when h.next is null or h.next = 'rolled_back' then s.reason else h.reason end,
              healthy_since = case when h.next is null then s.healthy_since when h.next = 'health_checking' then fleetwave.now()
                                   when h.next = 'completed' then s.healthy_since end,
              failed_at = case when h.next = 'failed' and not h.edited then fleetwave.now() else s.failed_at end,
              proof = coalesce(h.proof::jsonb, s.proof),
              checks = case when h.results is null then s.checks else jsonb_build_object('version', h.version, 'results', h.results::jsonb) end
         from held h where s.rollout_id = h.rollout_id and s.device_uuid = h.device_uuid
       returning s.rollout_id, s.device_uuid, s.batch, s.status, s.reason, h.was, h.next
     ), event as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, actor, reason)
       select rollout_id, 'device.' || case when status = was then 'restarted' else status end, device_uuid, batch, 'device', reason
         from moved where next is not null and (status <> was or status = 'health_checking')
     )
     select distinct rollout_id as "rolloutId", batch, null::uuid as "deviceUuid" from moved where status <> was
      union all
     select g.rollout_id, null, g.device_uuid from given g
      where not exists (select from held h where h.rollout_id = g.rollout_id and h.device_uuid = g.device_uuid)`,
    values: [
      moves.map(({ from }) => from.rolloutId),
      moves.map(({ from }) => from.deviceUuid),
      moves.map(({ from }) => from.status),
      moves.map(({ from }) => from.targetVersion),
      moves.map(({ to }) => to?.status ?? null),
      moves.map(({ to }) => to?.reason ?? null),
      moves.map(({ meansItsTarget }) => meansItsTarget),
      moves.map(({ memory }) => jsonOf(memory.proof)),
      moves.map(({ memory }) => jsonOf(memory.results)),
    ],
  });
  return {
    touches: rows.flatMap(({ rolloutId, batch, deviceUuid }) => (deviceUuid === null ? [{ rolloutId, batch }] : [])),
    missed: rows.flatMap(({ rolloutId, deviceUuid }) => (deviceUuid === null ? [] : [{ rolloutId, deviceUuid }])),
  };
}

function jsonOf(document: object | null): string | null {
  return document === null ? null : JSON.stringify(document);
}
