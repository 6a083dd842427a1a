import type { Pool } from 'pg';
import type { CheckResult, HealthCheck } from '../domain/checks';

/** A device that runs the image, by its reports, and whose checks are due. */
export interface DueDevice {
  deviceUuid: string;
  targetVersion: number;
  /** It soaks: one miss is looked at again before it counts. */
  soaking: boolean;
  /** As an operator registered it; null where it has none by now. */
  address: string | null;
}

/**
 * Up to `limit` of them, those that were not looked at for the longest time first: so that every device gets its turn, however
 * slow the others are. A device whose soak is over is due at once, because that look decides.
 */
export async function dueForChecks(
  pool: Pool,
  rolloutId: string,
  { intervalSeconds, limit }: { intervalSeconds: number; limit: number },
): Promise<DueDevice[]> {
  const { rows } = await pool.query<DueDevice>(
    `select s.device_uuid as "deviceUuid", s.target_version as "targetVersion", s.status = 'health_checking' as soaking, d.address
       from device_rollout_status s join image_rollouts r on r.id = s.rollout_id join devices d on d.uuid = s.device_uuid
       left join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch
      cross join lateral (select s.healthy_since + make_interval(secs => coalesce(b.soak_seconds, (r.rules ->> 'soakSeconds')::float8)) as at) soaked
      where s.rollout_id = $1 and s.active and s.status in ('updating', 'health_checking') and fleetwave.runs_target(s.proof, s.target_version)
        and (s.checked_at is null or s.checked_at < s.written_at or s.checked_at <= fleetwave.clock() - make_interval(secs => $2)
             or s.checked_at < soaked.at and soaked.at <= coalesce(r.paused_at, fleetwave.clock()))
      order by s.checked_at nulls first, s.device_uuid limit $3`,
    [rolloutId, intervalSeconds, limit],
  );
  return rows;
}

export interface ProbedDevice extends Pick<DueDevice, 'deviceUuid' | 'targetVersion'> {
  /** By the check's name. */
  results: Record<string, CheckResult>;
  /** The first check that did not hold, as a reason; null where all did. */
  unmet: string | null;
}

/**
 * Stores what probes saw of devices and moves them, in one statement: into the soak where all checks hold, those that are spoken
 * for included (`custom`: their names), back out of it where one does not. A device that was told anew, or went on otherwise,
 * is left as it is. Running it twice changes nothing but the time of the look.
 */
export async function storeProbes(
  pool: Pool,
  rolloutId: string,
  custom: readonly string[],
  probed: readonly ProbedDevice[],
): Promise<void> {
  await pool.query(
    `with given as (
       select * from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) as g (device_uuid, version, results, unmet)
     ), due as materialized (
       select s.rollout_id, s.device_uuid, s.status as was, s.reason as before, g.unmet, merged.results,
              coalesce(b.soak_seconds, (r.rules ->> 'soakSeconds')::float8) as soak,
              (select name from unnest($6::text[]) with ordinality as c (name, place)
                where (merged.results -> name -> 'ok')::boolean is distinct from true order by place limit 1) as unsaid
         from given g join device_rollout_status s on s.rollout_id = $1 and s.device_uuid = g.device_uuid and s.target_version = g.version
         join image_rollouts r on r.id = s.rollout_id left join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch
        cross join lateral (select case when (s.checks ->> 'version')::bigint = s.target_version then s.checks -> 'results' else '{}' end || g.results::jsonb as results) merged
        where s.active and s.status in ('updating', 'health_checking') and fleetwave.runs_target(s.proof, s.target_version)
        order by s.device_uuid for update of s
     ), judged as (
       select *, case when unmet is not null or unsaid is not null then 'updating'
                      when was = 'health_checking' then was when soak = 0 then 'completed' else 'health_checking' end as next,
              coalesce(unmet, 'runs the image, waits for its check ' || unsaid) as reason
         from due
     ), moved as (
       update device_rollout_status s
          set status = j.next, reason = coalesce(j.reason, case when j.next = was then before end),
              checks = jsonb_build_object('version', s.target_version, 'results', j.results), checked_at = fleetwave.now(), updated_at = fleetwave.now(),
              healthy_since = case when j.next = 'updating' then null when was = 'updating' then fleetwave.now() else s.healthy_since end
         from judged j where s.rollout_id = j.rollout_id and s.device_uuid = j.device_uuid
       returning s.device_uuid, s.batch, s.status, s.reason, was
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, reason)
     select $1, 'device.' || status, device_uuid, batch, reason from moved where status <> was`,
    [
      rolloutId,
      probed.map(({ deviceUuid }) => deviceUuid),
      probed.map(({ targetVersion }) => targetVersion),
      probed.map(({ results }) => JSON.stringify(results)),
      probed.map(({ unmet }) => unmet),
      custom,
    ],
  );
}

export interface CheckedRollout {
  checks: HealthCheck[];
  healthTimeoutSeconds: number;
  /** Numbers of the batches that have devices on their way. */
  batches: number[];
  /** Of the devices on their way, those that run the image already. */
  waiting: number;
}

/** What a look has to know of its rollout; null when it has ended or is being put back. */
export async function readChecked(pool: Pool, rolloutId: string): Promise<CheckedRollout | null> {
  const { rows } = await pool.query<CheckedRollout>(
    `select r.rules -> 'checks' as checks, (r.rules ->> 'healthTimeoutSeconds')::float8 as "healthTimeoutSeconds",
            coalesce(array_agg(distinct s.batch) filter (where s.batch is not null), '{}') as batches,
            (count(*) filter (where fleetwave.runs_target(s.proof, s.target_version)))::int as waiting
       from image_rollouts r left join device_rollout_status s
            on s.rollout_id = r.id and s.active and s.status in ('scheduled', 'updating', 'health_checking')
      where r.id = $1 and r.ended_at is null and r.status <> 'rolling_back' group by r.id`,
    [rolloutId],
  );
  return rows[0] ?? null;
}
