import type { Pool } from 'pg';
import {
  afterFinding,
  findingOfWord,
  judgeReport,
  type Finding,
  type ProvesImage,
  type ServiceChange,
} from '../domain/report';
import { provesRelease, reportedServices } from '../domain/report-services';
import type { DeviceStatus } from '../domain/rollout-states';

/** Batches in which a device changed its state: their verdict may have changed. */
export interface Touch {
  rolloutId: string;
  batch: number;
}

/** A device's part in a rollout that has told it something and not let go of it. */
interface ActiveRow {
  rolloutId: string;
  batch: number;
  status: DeviceStatus;
  changes: ServiceChange[];
  /** Of the rollout, where it is known. */
  digest: string | null;
  targetVersion: number;
  soakSeconds: number;
  healthySeconds: number;
  failingBefore: boolean;
  /** The rollout is over, the device still has something to prove: see finishRollout. */
  ended: boolean;
  apps: unknown;
  reportedSinceWrite: boolean;
}

const ACTIVE_ROWS = `
  select s.rollout_id as "rolloutId", s.batch, s.status, s.changes, r.digest, s.target_version as "targetVersion",
         coalesce(b.soak_seconds, (r.rules ->> 'soakSeconds')::float8) as "soakSeconds",
         coalesce(extract(epoch from coalesce(r.paused_at, fleetwave.now()) - s.healthy_since), 0)::float8 as "healthySeconds",
         s.failing_before as "failingBefore", r.ended_at is not null as ended`;
const FROM_ACTIVE = `
    from device_rollout_status s join image_rollouts r on r.id = s.rollout_id
    left join rollout_batches b on b.rollout_id = s.rollout_id and b.number = s.batch
   where s.device_uuid = $1 and s.active and s.written_at is not null`;

export interface Report {
  deviceUuid: string;
  /** The reported apps document; undefined when the report says nothing about apps, which then keeps what is stored. */
  apps: unknown;
  version: number | null;
  info: Record<string, unknown>;
}

/**
 * Stores a report and moves the device on in each active rollout it is part of. One statement where nothing changes, one
 * more for each change of state. A report is judged by the time it arrives, so it is always newer than the write it proves;
 * one that was on its way when the target was written still shows the old image and moves nothing.
 */
export async function acceptReport(pool: Pool, report: Report): Promise<{ touches: Touch[] }> {
  const rows = await pool.query<ActiveRow>(
    `with saved as (
       insert into device_current_state (device_uuid, apps, version, info, reported_at) values ($1, coalesce($2::jsonb, '{}'), $3, $4, fleetwave.clock())
       on conflict (device_uuid) do update
          set apps = coalesce($2::jsonb, device_current_state.apps), version = coalesce($3, device_current_state.version),
              info = device_current_state.info || excluded.info, reported_at = excluded.reported_at
     ) ${ACTIVE_ROWS} ${FROM_ACTIVE}`,
    [
      report.deviceUuid,
      report.apps === undefined ? null : JSON.stringify(report.apps),
      report.version,
      JSON.stringify(report.info),
    ],
  );
  if (report.apps === undefined) return { touches: [] };
  const services = reportedServices(report.apps);
  return moveAll(pool, report.deviceUuid, rows.rows, (row) => ({
    finding: judgeReport(row.changes, wantedOf(row), services, provesWanted(row)),
    fetched: report.version !== null && report.version >= row.targetVersion,
  }));
}

export interface HealthWord {
  deviceUuid: string;
  appId: string | null;
  service: string | null;
  status: 'healthy' | 'unhealthy' | 'updating' | 'failed' | 'rejected';
  image: string | null;
  message: string | null;
}

/**
 * A device's own word on its health. Where it names an image, that decides which one it speaks of; where it does not, the
 * newest report since the write must not contradict it (docs/adr/0003).
 */
export async function acceptHealth(pool: Pool, word: HealthWord): Promise<{ touches: Touch[] }> {
  const rows = await pool.query<ActiveRow>(
    `${ACTIVE_ROWS}, c.apps, coalesce(c.reported_at > s.written_at, false) as "reportedSinceWrite"
     ${FROM_ACTIVE.replace('where', 'left join device_current_state c on c.device_uuid = s.device_uuid where')}`,
    [word.deviceUuid],
  );
  return moveAll(pool, word.deviceUuid, rows.rows, (row) => ({
    finding: judgeWord(row, word),
    fetched: true,
    meansItsTarget: word.image === null && !isGoingBack(row),
  }));
}

function isGoingBack({ status }: ActiveRow): boolean {
  return status === 'rolling_back' || status === 'rollback_failed';
}

function judgeWord(row: ActiveRow, word: HealthWord): Finding {
  const wanted = wantedOf(row);
  const proves = provesWanted(row);
  const about = row.changes.filter(
    (change) =>
      (word.appId === null || word.appId === change.app_id) &&
      (word.service === null || word.service === change.service),
  );
  if (about.length === 0) return { kind: 'working', reason: 'reported the health of another service' };
  const { image } = word;
  if (
    image !== null &&
    !about.every((change) => proves(change[wanted], change[wanted === 'to' ? 'from' : 'to'], image, null))
  )
    return { kind: 'elsewhere', reason: `runs ${image}` };
  if (image === null && word.status === 'healthy' && row.reportedSinceWrite) {
    return judgeReport(about, wanted, reportedServices(row.apps), proves);
  }
  return findingOfWord(word.status, word.message);
}

/** Which of a change's two images a report is looked at for. */
function wantedOf(row: ActiveRow): 'to' | 'from' {
  return isGoingBack(row) ? 'from' : 'to';
}

/** The rollout's digest says nothing of what a device goes back to. */
function provesWanted(row: ActiveRow): ProvesImage {
  return provesRelease(wantedOf(row) === 'to' ? row.digest : null);
}

interface Judged {
  finding: Finding;
  fetched: boolean;
  /** It names no image, so it is about whatever the device's target holds by now. */
  meansItsTarget?: boolean;
}

async function moveAll(
  pool: Pool,
  deviceUuid: string,
  rows: readonly ActiveRow[],
  judge: (row: ActiveRow) => Judged,
): Promise<{ touches: Touch[] }> {
  const touches: Touch[] = [];
  for (const row of rows) {
    const { finding, fetched, meansItsTarget = false } = judge(row);
    const next = afterFinding({ ...row, fetched }, finding);
    if (next !== null && (await moveDevice(pool, deviceUuid, row, { ...next, meansItsTarget })))
      touches.push({ rolloutId: row.rolloutId, batch: row.batch });
  }
  return { touches };
}

/**
 * Moves a device from the state and version it was judged in; if either changed meanwhile, or a newer rollout took it, somebody
 * else was first. A device that runs something else because its target was changed by somebody is not a failure of this
 * rollout, and one that only says that it is well proves what somebody gave it: the rollout lets go of it.
 */
async function moveDevice(
  pool: Pool,
  deviceUuid: string,
  row: ActiveRow,
  next: { status: DeviceStatus; reason: string | null; meansItsTarget: boolean },
): Promise<boolean> {
  const moved = await pool.query(
    `with target as (
       select ($5 = 'failed' or $7) and fleetwave.revert_changes(t.apps, s.changes) is null as edited
         from device_rollout_status s join device_target_state t on t.device_uuid = s.device_uuid
        where s.rollout_id = $1 and s.device_uuid = $2
     ), moved as (
       update device_rollout_status
          set status = case when edited then 'superseded' else $5 end, active = active and not edited, updated_at = fleetwave.now(),
              reason = case when edited then 'its target was changed by someone else: left alone' else $6 end,
              healthy_since = case when $5 = 'health_checking' then fleetwave.now() when $5 = 'completed' then healthy_since end,
              failed_at = case when $5 = 'failed' and not edited then fleetwave.now() else failed_at end
         from target
        where rollout_id = $1 and device_uuid = $2 and status = $3 and target_version = $4 and active
       returning batch, status, reason
     )
     insert into rollout_events (rollout_id, type, device_uuid, batch, actor, reason)
     select $1, 'device.' || status, $2, batch, 'device', reason from moved`,
    [row.rolloutId, deviceUuid, row.status, row.targetVersion, next.status, next.reason, next.meansItsTarget],
  );
  return moved.rowCount === 1;
}
