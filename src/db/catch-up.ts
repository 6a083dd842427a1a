import type { Pool, PoolClient } from 'pg';
import { onlyRow } from './only-row';
import { PLAN_SELECTION, planParameters } from './plan-selection';
import type { PlannedBatch } from './plan-rollout';
import type { RolloutFacts } from './rollout-facts';
import { lockPlans, TAKE_OVER } from './take-over';
import { inTransaction } from './transaction';

/** A wave is as large as the first batch, and no smaller than this share: however many return, the waves stay few. */
const SMALLEST_WAVE = 1 / 20;

export interface NextWave {
  /** The devices that are back and go together now; null while none is. */
  wave: PlannedBatch | null;
  /** Devices that are still waited for. */
  deferred: number;
  /** Workflow ids of older rollouts that newcomers were taken from. */
  tookOverFrom: string[];
}

/**
 * Devices that the selection finds now, as deferred ones: it leaves out those that have a part in the rollout already, and those
 * that a newer one has. A rollout that queues ($11) takes none from an older one that runs.
 */
const JOIN_NEWCOMERS = `${PLAN_SELECTION}, claimable as materialized (
  select b.device_uuid, null::integer as batch from batched b
   where not ($11 and exists (select from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
                               where s.device_uuid = b.device_uuid and s.image = $2 and s.active and r.ended_at is null))
), ${TAKE_OVER}, joined as (
  insert into device_rollout_status (rollout_id, device_uuid, image, active, changes, failing_before, deferred_at, reason)
  select $1, device_uuid, $2, true, inherited, inherited_failing, fleetwave.now(), 'appeared after the plan' from taken
   union all
  select $1, device_uuid, $2, true, '[]', false, fleetwave.now(), 'appeared after the plan'
    from claimable where device_uuid not in (select device_uuid from taken)
  returning device_uuid, reason
), events as (
  insert into rollout_events (rollout_id, type, device_uuid, reason) select $1, 'device.deferred', device_uuid, reason from joined
)
select (select coalesce(array_agg(distinct workflow_id), '{}') from taken where not ended) as "tookOverFrom", (select count(*) from joined) as joined`;

const FORM_WAVE = `
with rollout as (
  select make_interval(secs => (rules ->> 'offlineAfterSeconds')::float8) as offline_after from image_rollouts where id = $1 and ended_at is null
), size as (
  select greatest(coalesce((select planned from rollout_batches where rollout_id = $1 and number = 1), 1),
                  ceil(count(*) * ${SMALLEST_WAVE})) as devices
    from device_rollout_status where rollout_id = $1 and (batch is not null or deferred_at is not null)
), back as materialized (
  select s.device_uuid from device_rollout_status s join devices d on d.uuid = s.device_uuid cross join rollout
   where s.rollout_id = $1 and s.status = 'pending' and s.deferred_at is not null and d.is_active
     and (d.last_seen_at is null or d.last_seen_at >= fleetwave.now() - offline_after)
   order by s.device_uuid limit (select devices from size) for update of s
), wave as (
  insert into rollout_batches (rollout_id, number, planned, lane)
  select $1, coalesce((select max(number) from rollout_batches where rollout_id = $1), 0) + 1, count(*), 'catch_up' from back
  having count(*) > 0 and (not $2 or count(*) >= (select least(size.devices, (
           select count(*) from device_rollout_status where rollout_id = $1 and status = 'pending' and deferred_at is not null)) from size))
  returning number, planned
), moved as (
  update device_rollout_status s set batch = wave.number, deferred_at = null, reason = null, updated_at = fleetwave.now()
    from back, wave where s.rollout_id = $1 and s.device_uuid = back.device_uuid
), event as (
  insert into rollout_events (rollout_id, type, batch, data)
  select $1, 'rollout.wave_formed', number, jsonb_build_object('planned', planned) from wave
), heard as (
  -- A patient look that forms none leaves the next one to the timer: who trickles in does not wake it again.
  update image_rollouts set return_signalled = false where id = $1 and (not $2 or exists (select from wave))
)
select number, planned from wave`;

/**
 * The next devices to be caught up: of those that were deferred or appeared since the plan, as many as may go together. Running
 * it twice forms one wave (key: a wave that has not started is given again). `patient` forms only a full one, or one of all who
 * are waited for, and looks for no newcomers: then waves stay few however devices trickle in.
 */
export async function nextWave(pool: Pool, rollout: RolloutFacts, patient: boolean): Promise<NextWave> {
  return inTransaction(pool, async (client) => {
    await lockPlans(client, rollout.image);
    const formed = await readFormedWave(client, rollout.id);
    let tookOverFrom: string[] = [];
    let wave = formed;
    if (formed === null) {
      const queues = rollout.rules.onNewer === 'queue';
      if (!patient) {
        const joined = await client.query<{ tookOverFrom: string[] }>(JOIN_NEWCOMERS, [
          ...planParameters(rollout),
          queues,
        ]);
        ({ tookOverFrom } = onlyRow(joined));
      }
      const { rows } = await client.query<{ number: number; planned: number }>(FORM_WAVE, [rollout.id, patient]);
      wave = rows[0] === undefined ? null : { ...rows[0], requiresApproval: false };
    }
    const left = await client.query<{ deferred: number }>(
      `select count(*)::int as deferred from device_rollout_status where rollout_id = $1 and status = 'pending' and deferred_at is not null`,
      [rollout.id],
    );
    return { wave, tookOverFrom, ...onlyRow(left) };
  });
}

async function readFormedWave(client: PoolClient, rolloutId: string): Promise<PlannedBatch | null> {
  const { rows } = await client.query<{ number: number; planned: number }>(
    `select number, planned from rollout_batches where rollout_id = $1 and lane = 'catch_up' and ended_at is null order by number limit 1`,
    [rolloutId],
  );
  return rows[0] === undefined ? null : { ...rows[0], requiresApproval: false };
}

/** Nobody waits for deferred devices any longer. Idempotent: they leave `pending`. */
export async function skipDeferred(pool: Pool, rolloutId: string): Promise<void> {
  await pool.query(
    `with waiting as materialized (
       select rollout_id, device_uuid from device_rollout_status
        where rollout_id = $1 and status = 'pending' and deferred_at is not null order by device_uuid for update
     ), skipped as (
       update device_rollout_status s
          -- What it inherited from a rollout that had not proven itself is kept for the next one.
          set status = case when s.changes = '[]' then 'skipped' else 'superseded' end, active = s.changes <> '[]',
              updated_at = fleetwave.now(), reason = 'offline: it did not return in the time for catching up'
         from waiting where s.rollout_id = waiting.rollout_id and s.device_uuid = waiting.device_uuid
       returning s.device_uuid, s.batch, s.status, s.reason
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
     select $1, 'device.' || status, device_uuid, batch, reason from skipped`,
    [rolloutId],
  );
}

/**
 * Workflow ids of the rollouts that wait for one of these devices and have not been told that any is back: each is given once
 * until its next look, over all processes.
 */
export async function claimReturns(pool: Pool, deviceUuids: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ workflowId: string }>(
    `update image_rollouts r set return_signalled = true
       from (select distinct rollout_id from device_rollout_status
              where device_uuid = any ($1::uuid[]) and status = 'pending' and deferred_at is not null) waiting
      where r.id = waiting.rollout_id and not r.return_signalled and r.ended_at is null
     returning r.workflow_id as "workflowId"`,
    [deviceUuids],
  );
  return rows.map((row) => row.workflowId);
}
