import type { Pool } from 'pg';
import {
  probesOf,
  resultsOf,
  unmetCheck,
  type CheckResult,
  type HealthCheck,
  type StoredResults,
} from '../domain/checks';
import {
  afterSpoken,
  judgeTold,
  proofOf,
  reportedChecks,
  spokenResults,
  type JudgedReport,
  type Proof,
} from '../domain/device-proof';
import {
  afterFinding,
  findingOfWord,
  judgeReport,
  runs,
  type Finding,
  type ProvesImage,
  type ReportedService,
  type ServiceChange,
} from '../domain/report';
import { provesRelease, reportedServices } from '../domain/report-services';
import { readRecreated } from './device-volumes';
import { keepProof, moveDevice, type Touch } from './move-device';
import type { DeviceStatus } from '../domain/rollout-states';

export type { Touch };

/** A device's part in a rollout that has told it something and not let go of it. */
interface ActiveRow {
  rolloutId: string;
  batch: number;
  status: DeviceStatus;
  reason: string | null;
  changes: ServiceChange[];
  proof: Partial<Proof>;
  results: StoredResults;
  /** Those of the rules; null in rollouts of older releases. */
  checks: HealthCheck[] | null;
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
  select s.rollout_id as "rolloutId", s.batch, s.status, s.reason, s.changes, s.proof, s.checks as results, r.rules -> 'checks' as checks, r.digest, s.target_version as "targetVersion",
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
 * more for each change of state or of what has to be remembered. A report is judged by the time it arrives; one that was on
 * its way when the target was written, or that an agent had queued, still shows the old image and moves nothing, and where it
 * names a version older than the write, it says nothing of it, whatever it shows.
 */
export async function acceptReport(pool: Pool, report: Report): Promise<{ touches: Touch[] }> {
  const rows = await pool.query<ActiveRow>({
    // Without a name it is planned for each report, which costs more than all else of it.
    name: 'accept-report',
    text: `with saved as (
       insert into device_current_state (device_uuid, apps, version, info, reported_at) values ($1, coalesce($2::jsonb, '{}'), $3, $4, fleetwave.clock())
       on conflict (device_uuid) do update
          set apps = coalesce($2::jsonb, device_current_state.apps), version = coalesce($3, device_current_state.version),
              info = device_current_state.info || excluded.info, reported_at = excluded.reported_at
     ) ${ACTIVE_ROWS} ${FROM_ACTIVE}`,
    values: [
      report.deviceUuid,
      report.apps === undefined ? null : JSON.stringify(report.apps),
      report.version,
      JSON.stringify(report.info),
    ],
  });
  if (report.apps === undefined) return { touches: [] };
  const services = reportedServices(report.apps);
  const said = reportedChecks(report.info['checks']);
  return moveAll(pool, report.deviceUuid, rows.rows, async (row) => {
    if (report.version !== null && report.version < row.targetVersion) return null;
    const fetched = report.version !== null;
    if (isGoingBack(row)) return { finding: judgeReport(row.changes, 'from', services, provesWanted(row)), fetched };
    const { finding, proof } = await judgeServices(pool, report.deviceUuid, row, services);
    // What it says of its checks is about the image that it runs.
    const spoken = runs(finding) ? spokenResults(row.checks, said) : {};
    return { finding: afterSpoken(finding, spoken), fetched, proof, spoken };
  });
}

/** Where only another container tells of a restart, it is asked whether the agent makes such containers anew by itself. */
async function judgeServices(
  pool: Pool,
  deviceUuid: string,
  row: ActiveRow,
  services: readonly ReportedService[],
): Promise<JudgedReport> {
  const told = { changes: row.changes, proof: proofOf(row.proof, row.targetVersion) };
  const judged = judgeTold(told, services, provesWanted(row));
  if (!judged.byContainerAlone) return judged;
  const recreated = await readRecreated(pool, deviceUuid, services);
  return judgeTold(told, services, provesWanted(row), recreated);
}

export interface HealthWord {
  deviceUuid: string;
  appId: string | null;
  service: string | null;
  status: 'healthy' | 'unhealthy' | 'updating' | 'failed' | 'rejected';
  image: string | null;
  message: string | null;
  /** Its word for what went wrong, as `ErrImagePull`. */
  reason?: string | null;
  /** The check of the policy that it speaks of, instead of the whole device. */
  check?: string | null;
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
  return moveAll(pool, word.deviceUuid, rows.rows, (row) =>
    word.check == null ? judgedWord(row, word) : judgedCheck(row, word, word.check),
  );
}

function judgedWord(row: ActiveRow, word: HealthWord): Judged {
  const finding = judgeWord(row, word);
  const before = proofOf(row.proof, row.targetVersion);
  return {
    finding,
    fetched: true,
    meansItsTarget: word.image === null && !isGoingBack(row),
    ...(isGoingBack(row) || finding.kind === 'working' ? {} : { proof: { ...before, running: runs(finding) } }),
  };
}

/**
 * A word about one check counts where the device is known to run the image, or the word names that image: said of the one before
 * it would prove the wrong thing.
 */
function judgedCheck(row: ActiveRow, word: HealthWord, check: string): Judged | null {
  const { status, message, image } = word;
  const proof = proofOf(row.proof, row.targetVersion);
  const means = image === null ? proof.running : row.changes.every(provenBy(image, provesWanted(row), 'to'));
  if (isGoingBack(row) || status === 'updating' || !means) return null;
  const said = { [check]: { status: status === 'healthy' ? status : ('unhealthy' as const), message } };
  const spoken = spokenResults(row.checks, said);
  if (Object.keys(spoken).length === 0) return null;
  const finding: Finding = proof.running
    ? { kind: 'running' }
    : { kind: 'working', reason: row.reason ?? 'a check is spoken for, the report is awaited' };
  return { finding: afterSpoken(finding, spoken), fetched: true, proof, spoken };
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
  if (image !== null && !about.every(provenBy(image, proves, wanted)))
    return { kind: 'elsewhere', reason: `runs ${image}` };
  if (image === null && word.status === 'healthy' && row.reportedSinceWrite) {
    return judgeReport(about, wanted, reportedServices(row.apps), proves);
  }
  return findingOfWord(word.status, word.message, word.reason);
}

function provenBy(image: string, proves: ProvesImage, wanted: 'to' | 'from'): (change: ServiceChange) => boolean {
  return (change) => proves(change[wanted], change[wanted === 'to' ? 'from' : 'to'], image, null);
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
  /** What to remember of it; absent where it says nothing of that. */
  proof?: Proof;
  /** What was said of checks, by their names. */
  spoken?: Record<string, CheckResult>;
}

async function moveAll(
  pool: Pool,
  deviceUuid: string,
  rows: readonly ActiveRow[],
  judge: (row: ActiveRow) => Judged | null | Promise<Judged | null>,
): Promise<{ touches: Touch[] }> {
  const touches: Touch[] = [];
  for (const row of rows) {
    const judged = await judge(row);
    if (judged !== null && (await settleOn(pool, deviceUuid, row, judged)))
      touches.push({ rolloutId: row.rolloutId, batch: row.batch });
  }
  return { touches };
}

/** @returns whether the device came into another state. */
async function settleOn(pool: Pool, deviceUuid: string, row: ActiveRow, judged: Judged): Promise<boolean> {
  const { finding, fetched, meansItsTarget = false, spoken = {} } = judged;
  const before = proofOf(row.proof, row.targetVersion);
  const proof = judged.proof ?? before;
  // What held for a container that is gone says nothing of the one that comes after it.
  const forget = before.running && !proof.running;
  const known = forget ? {} : resultsOf(row.results, row.targetVersion);
  const results = { ...known, ...spoken };
  const unmet = isGoingBack(row) ? null : unmetCheck(row.checks, results);
  const probed = probesOf(row.checks).length > 0;
  const next = afterFinding({ ...row, fetched, unmetCheck: unmet, probed }, finding);
  const memory = {
    proof: JSON.stringify(proof) === JSON.stringify(before) ? null : proof,
    results: forget || Object.keys(spoken).length > 0 ? results : null,
  };
  const same = next !== null && next.status === row.status && next.reason === row.reason;
  if (next !== null && !same) return moveDevice(pool, deviceUuid, row, { ...next, meansItsTarget, ...memory });
  if (memory.proof !== null || memory.results !== null) await keepProof(pool, deviceUuid, row, memory);
  return false;
}
