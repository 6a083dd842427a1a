import { probesOf, resultsOf, unmetCheck, type CheckResult, type HealthCheck, type StoredResults } from './checks';
import { afterSpoken, judgeTold, proofOf, spokenResults, type Proof, type SaidOfCheck } from './device-proof';
import {
  afterFinding,
  findingOfWord,
  judgeReport,
  runs,
  type Finding,
  type ProvesImage,
  type ReportedService,
  type ServiceChange,
} from './report';
import { provesRelease, reportedServices } from './report-services';
import type { DeviceStatus } from './rollout-states';

/** The state and the telling that a device is judged in. */
export interface JudgedIn {
  deviceUuid: string;
  rolloutId: string;
  status: DeviceStatus;
  targetVersion: number;
}

/** A device's part in a rollout that has told it something and not let go of it. */
export interface ToldDevice extends JudgedIn {
  batch: number;
  reason: string | null;
  changes: ServiceChange[];
  proof: Partial<Proof>;
  results: StoredResults;
  /** Those of the rules; null in rollouts of older releases. */
  checks: HealthCheck[] | null;
  /** Of the rollout, where it is known. */
  digest: string | null;
  soakSeconds: number;
  healthySeconds: number;
  failingBefore: boolean;
  /** The rollout is over, the device still has something to prove: see finishRollout. */
  ended: boolean;
}

export interface ToldDeviceAndReport extends ToldDevice {
  apps: unknown;
  reportedSinceWrite: boolean;
}

/** What a report or a word says of a device in one of its rollouts. */
export interface Judged {
  finding: Finding;
  fetched: boolean;
  /** It names no image, so it is about whatever the device's target holds by now. */
  meansItsTarget?: boolean;
  /** What to remember of it; absent where it says nothing of that. */
  proof?: Proof;
  /** What was said of checks, by their names. */
  spoken?: Record<string, CheckResult>;
  /** Only another container tells that it was restarted: worth asking whether its agent makes them anew by itself. */
  byContainerAlone?: boolean;
}

export interface ReportedDevice {
  version: number | null;
  services: readonly ReportedService[];
  /** Of the policy's checks, by their names. */
  said: Readonly<Record<string, SaidOfCheck>>;
}

/**
 * A report is judged by the time it arrives; one that was on its way when the target was written, or that an agent had queued,
 * still shows the old image and moves nothing, and where it names a version older than the write, it says nothing of it (null),
 * whatever it shows.
 */
export function judgeReported(
  told: ToldDevice,
  { version, services, said }: ReportedDevice,
  recreates?: (change: ServiceChange) => boolean,
): Judged | null {
  if (version !== null && version < told.targetVersion) return null;
  const fetched = version !== null;
  if (isGoingBack(told)) return { finding: judgeReport(told.changes, 'from', services, provesWanted(told)), fetched };
  const before = { changes: told.changes, proof: proofOf(told.proof, told.targetVersion) };
  const { finding, proof, byContainerAlone } = judgeTold(before, services, provesWanted(told), recreates);
  // What it says of its checks is about the image that it runs.
  const spoken = runs(finding) ? spokenResults(told.checks, said) : {};
  return { finding: afterSpoken(finding, spoken), fetched, proof, spoken, byContainerAlone };
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
export function judgeSaid(told: ToldDeviceAndReport, word: HealthWord): Judged | null {
  return word.check == null ? judgedWord(told, word) : judgedCheck(told, word, word.check);
}

function judgedWord(told: ToldDeviceAndReport, word: HealthWord): Judged {
  const finding = judgeWord(told, word);
  const before = proofOf(told.proof, told.targetVersion);
  return {
    finding,
    fetched: true,
    meansItsTarget: word.image === null && !isGoingBack(told),
    ...(isGoingBack(told) || finding.kind === 'working' ? {} : { proof: { ...before, running: runs(finding) } }),
  };
}

/**
 * A word about one check counts where the device is known to run the image, or the word names that image: said of the one before
 * it would prove the wrong thing.
 */
function judgedCheck(told: ToldDevice, word: HealthWord, check: string): Judged | null {
  const { status, message, image } = word;
  const proof = proofOf(told.proof, told.targetVersion);
  const means = image === null ? proof.running : told.changes.every(provenBy(image, provesWanted(told), 'to'));
  if (isGoingBack(told) || status === 'updating' || !means) return null;
  const said = { [check]: { status: status === 'healthy' ? status : ('unhealthy' as const), message } };
  const spoken = spokenResults(told.checks, said);
  if (Object.keys(spoken).length === 0) return null;
  const finding: Finding = proof.running
    ? { kind: 'running' }
    : { kind: 'working', reason: told.reason ?? 'a check is spoken for, the report is awaited' };
  return { finding: afterSpoken(finding, spoken), fetched: true, proof, spoken };
}

function judgeWord(told: ToldDeviceAndReport, word: HealthWord): Finding {
  const wanted = wantedOf(told);
  const proves = provesWanted(told);
  const about = told.changes.filter(
    (change) =>
      (word.appId === null || word.appId === change.app_id) &&
      (word.service === null || word.service === change.service),
  );
  if (about.length === 0) return { kind: 'working', reason: 'reported the health of another service' };
  const { image } = word;
  if (image !== null && !about.every(provenBy(image, proves, wanted)))
    return { kind: 'elsewhere', reason: `runs ${image}` };
  if (image === null && word.status === 'healthy' && told.reportedSinceWrite) {
    return judgeReport(about, wanted, reportedServices(told.apps), proves);
  }
  return findingOfWord(word.status, word.message, word.reason);
}

function provenBy(image: string, proves: ProvesImage, wanted: 'to' | 'from'): (change: ServiceChange) => boolean {
  return (change) => proves(change[wanted], change[wanted === 'to' ? 'from' : 'to'], image, null);
}

function isGoingBack({ status }: ToldDevice): boolean {
  return status === 'rolling_back' || status === 'rollback_failed';
}

/** Which of a change's two images a report is looked at for. */
function wantedOf(told: ToldDevice): 'to' | 'from' {
  return isGoingBack(told) ? 'from' : 'to';
}

/** The rollout's digest says nothing of what a device goes back to. */
function provesWanted(told: ToldDevice): ProvesImage {
  return provesRelease(wantedOf(told) === 'to' ? told.digest : null);
}

/** What is kept with a device; null leaves it as it is. */
export interface Memory {
  proof: Proof | null;
  results: Record<string, CheckResult> | null;
}

export interface Move {
  from: JudgedIn;
  memory: Memory;
  /** Null for a device that stays in its state. */
  to: { status: DeviceStatus; reason: string | null } | null;
  meansItsTarget: boolean;
}

/** What comes of it: another state, something to remember, or nothing (null). */
export function moveOf(told: ToldDevice, judged: Judged): Move | null {
  const { finding, fetched, meansItsTarget = false, spoken = {} } = judged;
  const before = proofOf(told.proof, told.targetVersion);
  const proof = judged.proof ?? before;
  // What held for a container that is gone says nothing of the one that comes after it.
  const forget = before.running && !proof.running;
  const known = forget ? {} : resultsOf(told.results, told.targetVersion);
  const results = { ...known, ...spoken };
  const unmet = isGoingBack(told) ? null : unmetCheck(told.checks, results);
  const probed = probesOf(told.checks).length > 0;
  const next = afterFinding({ ...told, fetched, unmetCheck: unmet, probed }, finding);
  const memory = {
    proof: JSON.stringify(proof) === JSON.stringify(before) ? null : proof,
    results: forget || Object.keys(spoken).length > 0 ? results : null,
  };
  const isSame = next === null || (next.status === told.status && next.reason === told.reason);
  if (isSame && memory.proof === null && memory.results === null) return null;
  const { deviceUuid, rolloutId, status, targetVersion } = told;
  return { from: { deviceUuid, rolloutId, status, targetVersion }, memory, to: isSame ? null : next, meansItsTarget };
}
