import type { Pool } from 'pg';

export interface Due {
  /** Until the last soaking device has soaked, or null when none soaks. */
  soakDueSeconds: number | null;
  /** Until the last device that is on its way has to be there, or null when none is. */
  deadlineSeconds: number | null;
}

export interface SettleInput {
  rolloutId: string;
  batch: number | null;
  soakSeconds: number | null;
}

/**
 * A device that was heard in this last part of its time is late; one that was not went silent, also where it fetched its
 * target first, as a device does that an update bricks. No shorter than agents of the field are quiet between two polls.
 */
const LAST_WORD = `make_interval(secs => greatest((r.rules ->> 'healthTimeoutSeconds')::float8 / 2, 90))`;

/** Devices moved on in one statement: their locks are short, and no statement grows with the fleet. */
const CHUNK = 5000;

/**
 * Moves on what only time decides, a few thousand devices a statement, in all batches: devices that soaked long enough are `completed`; past its
 * own deadline, one that is on its way is `timed_out`, or `unreachable` if it was not heard in the last part of its time, and one
 * that was put back by itself is `rollback_failed`. A soak that began in time may finish; where Fleetwave makes checks, by one that
 * held at its end, unless a person has ended it (`soakSeconds` 0). Idempotent: a device leaves the
 * state it is selected by. `soakSeconds` null gives each device the soak of its own batch; a number is for `batch` alone.
 * @returns what is due in `batch`, or in all where it is null.
 */
export async function settleByTime(pool: Pool, input: SettleInput): Promise<Due> {
  for (;;) {
    const { taken, ...due } = await settleChunk(pool, input);
    if (taken < CHUNK) return due;
  }
}

async function settleChunk(pool: Pool, input: SettleInput): Promise<Due & { taken: number }> {
  const done = await pool.query<Due & { taken: number }>(
    `with soaks as materialized (
       select b.number as batch, r.status = 'rolling_back' as rolling_back, fleetwave.has_probes(r.rules) and coalesce($3::float8, 1) > 0 as probed,
              make_interval(secs => coalesce(case when b.number = coalesce($2, b.number) then $3::float8 end, b.soak_seconds, (r.rules ->> 'soakSeconds')::float8)) as soak,
              ${LAST_WORD} as last_word,
              -- Clocks stand still while the rollout is paused.
              coalesce(r.paused_at, fleetwave.now()) as clock
         from rollout_batches b join image_rollouts r on r.id = b.rollout_id where b.rollout_id = $1
     ), due as materialized (
       select s.rollout_id, s.device_uuid, s.status, soaks.last_word from device_rollout_status s join soaks on soaks.batch = s.batch
        where s.rollout_id = $1
          and (s.status = 'health_checking' and s.healthy_since <= soaks.clock - soaks.soak
                 and (not soaks.probed or s.checked_at >= s.healthy_since + soaks.soak)
               or s.status in ('scheduled', 'updating') and s.deadline_at <= soaks.clock
               or s.status = 'rolling_back' and s.deadline_at <= soaks.clock and not soaks.rolling_back)
        order by s.device_uuid limit ${CHUNK} for update of s
     ), soaked as (
       update device_rollout_status s
          set status = 'completed', reason = null, updated_at = fleetwave.now()
         from due where s.rollout_id = due.rollout_id and s.device_uuid = due.device_uuid and due.status = 'health_checking'
       returning s.device_uuid, s.batch, s.status, s.reason
     ), late as (
       select due.rollout_id, s.device_uuid, due.status = 'rolling_back' as put_back, fleetwave.revert_changes(t.apps, s.changes) is null as edited,
              coalesce(greatest(d.last_seen_at, c.reported_at) >= greatest(s.written_at, s.deadline_at - due.last_word), false) as heard,
              coalesce(greatest(d.last_seen_at, c.reported_at) >= s.written_at, false) as fetched, c.reported_at >= s.written_at as reported
         from due join device_rollout_status s on s.rollout_id = due.rollout_id and s.device_uuid = due.device_uuid
         join devices d on d.uuid = s.device_uuid join device_target_state t on t.device_uuid = s.device_uuid left join device_current_state c on c.device_uuid = s.device_uuid
        where due.status <> 'health_checking'
     ), expired as (
       update device_rollout_status s
          set status = case when late.put_back then 'rollback_failed' when late.edited then 'superseded' when late.heard then 'timed_out' else 'unreachable' end,
              active = late.put_back or not late.edited, failed_at = fleetwave.now(), updated_at = fleetwave.now(),
              reason = case when late.put_back then 'its previous image was put back but not confirmed in time' || coalesce(' (' || s.reason || ')', '')
                            when late.edited then 'its target was changed by someone else: left alone'
                            when not late.fetched then 'silent since it was told'
                            when not late.heard then 'went silent after it fetched its target' || coalesce(': ' || s.reason, '')
                            when s.reason is not null then 'not healthy in time: ' || s.reason
                            when late.reported then 'not healthy in time: it never reported the new image'
                            else 'not healthy in time: it fetched its target but reported nothing' end
         from late where s.rollout_id = late.rollout_id and s.device_uuid = late.device_uuid and s.status in ('scheduled', 'updating', 'rolling_back')
       returning s.device_uuid, s.batch, s.status, s.reason
     ), moved as (
       select * from soaked union all select * from expired
     ), events as (
       insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
       select $1, 'device.' || status, device_uuid, batch, reason from moved
     )
     select (select count(*) from due)::int as taken,
            extract(epoch from max(s.healthy_since + soaks.soak - soaks.clock) filter (where s.status = 'health_checking'))::float8 as "soakDueSeconds",
            extract(epoch from max(s.deadline_at - soaks.clock) filter (where s.status <> 'health_checking'))::float8 as "deadlineSeconds"
       from device_rollout_status s join soaks on soaks.batch = s.batch
      where s.rollout_id = $1 and s.batch = coalesce($2, s.batch)
        and (s.status = 'health_checking' and s.healthy_since > soaks.clock - soaks.soak
             or s.status in ('scheduled', 'updating', 'rolling_back') and s.deadline_at > soaks.clock)`,
    [input.rolloutId, input.batch, input.soakSeconds],
  );
  return done.rows[0] ?? { taken: 0, soakDueSeconds: null, deadlineSeconds: null };
}

/** Closes a batch with its verdict and the numbers it was made from; a batch that is closed stays as it is. */
export async function closeBatch(
  pool: Pool,
  input: {
    rolloutId: string;
    batch: number;
    status: 'passed' | 'failed' | 'skipped' | 'stopped';
    rule: string;
    explanation: string;
    counts: object;
  },
): Promise<void> {
  await pool.query(
    `with closed as (
       update rollout_batches set status = $3, rule = $4, explanation = $5, counts = $6, ended_at = fleetwave.now()
        where rollout_id = $1 and number = $2 and ended_at is null returning number
     )
     insert into rollout_events (rollout_id, type, batch, reason, data)
     select $1, 'rollout.batch_' || $3::text, number, $5, jsonb_build_object('rule', $4::text, 'counts', $6::jsonb) from closed`,
    [input.rolloutId, input.batch, input.status, input.rule, input.explanation, JSON.stringify(input.counts)],
  );
}
