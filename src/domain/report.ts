import { causeOf, namesCause, withCause } from './failure-causes';
import type { DeviceStatus } from './rollout-states';

/** What a rollout changed in one field of one service of a device, as `fleetwave.image_changes` gives it. */
export interface ServiceChange {
  app_id: string;
  service_id: string | number | null;
  service: string | null;
  index: number;
  field: string;
  from: string;
  to: string;
}

/** A service as an agent reports it; everything else in the report is the agent's own. */
export interface ReportedService {
  appId: string;
  /** Its place in the reported list of its app. */
  index: number;
  serviceId: string | number | null;
  serviceName: string | null;
  image: string | null;
  status: string;
  health: string | null;
  digest: string | null;
  /** The agent's own word for what went wrong, as `ErrImagePull`. */
  reason: string | null;
  message: string | null;
  containerId: string | null;
  /** How often its container was started again. */
  restarts: number | null;
  /** Agents of the late generation do. */
  reportsVolumes: boolean;
}

/** What a report says about the services that a rollout changed. */
export type Finding =
  | { kind: 'running' }
  /** It runs, and was restarted since the report before. */
  | { kind: 'restarted'; reason: string }
  | { kind: 'working'; reason: string }
  | { kind: 'failed'; reason: string }
  /** Still, or again, on another image. */
  | { kind: 'elsewhere'; reason: string };

/** A reported image proves the wanted one and not the other side of the change: given by the caller, which can parse. */
export type ProvesImage = (wanted: string, other: string, reported: string, reportedDigest: string | null) => boolean;

const FAILED_STATUSES = new Set([
  'exited',
  'dead',
  'failed',
  'rejected',
  'error',
  'crashloopbackoff',
  'errimagepull',
  'imagepullbackoff',
  'startfailure',
  'healthcheckfailed',
  'oomkilled',
]);

/**
 * Judges a report against the images wanted in each changed service (`to` while updating, `from` while rolling back).
 * The worst service decides: a device is only as healthy as its sickest changed service.
 */
export function judgeReport(
  changes: readonly ServiceChange[],
  wanted: 'to' | 'from',
  services: readonly ReportedService[],
  provesImage: ProvesImage,
): Finding {
  const rank: Record<Finding['kind'], number> = { failed: 3, elsewhere: 2, working: 1, restarted: 0, running: 0 };
  let worst: Finding = { kind: 'running' };
  for (const change of changes) {
    const finding = judgeService(change, wanted, services, provesImage);
    if (rank[finding.kind] > rank[worst.kind]) worst = finding;
  }
  return worst;
}

function judgeService(
  change: ServiceChange,
  wanted: 'to' | 'from',
  services: readonly ReportedService[],
  provesImage: ProvesImage,
): Finding {
  const name = change.service ?? String(change.service_id ?? change.index);
  const found = services.find((service) => isServiceOf(change, service));
  if (found?.image == null) return { kind: 'elsewhere', reason: `service ${name} is not reported` };
  const cause = causeOf(found);
  if (!provesImage(change[wanted], change[wanted === 'to' ? 'from' : 'to'], found.image, found.digest)) {
    const subject = `service ${name} runs ${found.image}`;
    // Why it still does is what its people want to know.
    return { kind: 'elsewhere', reason: cause === null ? subject : withCause(cause, subject, found.message) };
  }
  const status = found.status.toLowerCase();
  // As a device's own word says it: it refuses, and is not asked again.
  if (status === 'rejected') return { kind: 'failed', reason: withCause(null, `rejected: ${name}`, found.message) };
  const reason = withCause(cause, `${name} ${status}`, found.message);
  if (FAILED_STATUSES.has(status)) return { kind: 'failed', reason };
  if (found.health?.toLowerCase() === 'unhealthy')
    return { kind: 'failed', reason: withCause(cause ?? 'HealthCheckFailed', `${name} unhealthy`, found.message) };
  if (status !== 'running') return { kind: 'working', reason };
  return { kind: 'running' };
}

/** The changed services that are reported on the wanted image, whatever their status. */
export function servicesOnImage(
  changes: readonly ServiceChange[],
  services: readonly ReportedService[],
  provesImage: ProvesImage,
): { change: ServiceChange; service: ReportedService }[] {
  return changes.flatMap((change) => {
    const service = services.find((one) => isServiceOf(change, one));
    const proven = service?.image != null && provesImage(change.to, change.from, service.image, service.digest);
    return service !== undefined && proven ? [{ change, service }] : [];
  });
}

/** By id where both sides have one, else by name, else by place: services of old documents may have neither. */
function isServiceOf(change: ServiceChange, service: ReportedService): boolean {
  if (service.appId !== change.app_id) return false;
  if (change.service_id !== null && service.serviceId !== null)
    return String(change.service_id) === String(service.serviceId);
  if (change.service !== null && service.serviceName !== null) return change.service === service.serviceName;
  return change.index === service.index;
}

export interface DeviceProgress {
  status: DeviceStatus;
  /** The device said it fetched the version that this rollout wrote. */
  fetched: boolean;
  soakSeconds: number;
  healthySeconds: number;
  /** Its rollout has ended: nobody judges it any more, but it may still prove itself. */
  ended: boolean;
  /** It was failing before the rollout: to be back on the old image it does not have to be healthy there. */
  failingBefore: boolean;
  /** What of the policy's checks does not hold, as a sentence; null where all do, and where there are none. */
  unmetCheck: string | null;
  /** Fleetwave looks for itself: then the soak is over after a look at its end, and not by a report. */
  probed: boolean;
}

/** The state a finding moves a device to, and why, or null when it stays. Deadlines and retries are not decided here. */
export function afterFinding(
  device: DeviceProgress,
  finding: Finding,
): { status: DeviceStatus; reason: string | null } | null {
  const { unmetCheck: unmet } = device;
  switch (device.status) {
    case 'scheduled':
    case 'updating':
      if (runs(finding)) {
        if (unmet !== null) return { status: 'updating', reason: unmet };
        return { status: device.soakSeconds === 0 ? 'completed' : 'health_checking', reason: null };
      }
      if (finding.kind === 'failed') return { status: 'failed', reason: finding.reason };
      // An agent that says why it is not there yet is quoted at the deadline.
      if (namesCause(finding.reason)) return { status: 'updating', reason: finding.reason };
      if (device.status === 'updating') return null;
      return finding.kind === 'working' || device.fetched ? { status: 'updating', reason: finding.reason } : null;
    case 'health_checking':
      if (runs(finding) && unmet !== null) return { status: 'updating', reason: unmet };
      if (finding.kind === 'restarted') return { status: 'health_checking', reason: finding.reason };
      if (finding.kind === 'running') {
        const soaked = device.healthySeconds >= device.soakSeconds && !device.probed;
        return soaked ? { status: 'completed', reason: null } : null;
      }
      if (finding.kind === 'working') return { status: 'updating', reason: finding.reason };
      return { status: 'failed', reason: finding.kind === 'failed' ? finding.reason : `went back: ${finding.reason}` };
    case 'completed':
      if (finding.kind === 'failed')
        return { status: 'failed', reason: `broke after it was healthy: ${finding.reason}` };
      return finding.kind === 'elsewhere' ? { status: 'failed', reason: `went back: ${finding.reason}` } : null;
    case 'rolling_back':
    case 'rollback_failed': {
      const isBack = runs(finding) || (device.failingBefore && finding.kind === 'failed');
      return isBack ? { status: 'rolled_back', reason: null } : null;
    }
    case 'timed_out':
    case 'unreachable':
      return device.ended && runs(finding) && unmet === null
        ? { status: 'completed', reason: 'healthy after its rollout had ended' }
        : null;
    case 'pending':
    case 'failed':
    case 'rolled_back':
    case 'skipped':
    case 'superseded':
      return null;
  }
}

type Running = Extract<Finding, { kind: 'running' | 'restarted' }>;
export function runs(finding: Finding): finding is Running {
  return finding.kind === 'running' || finding.kind === 'restarted';
}

/** A device's own word (`POST /device/:uuid/health`) as a finding; `image` decides whether it speaks of the wanted one. */
export function findingOfWord(
  status: 'healthy' | 'unhealthy' | 'updating' | 'failed' | 'rejected',
  message: string | null,
  cause: string | null = null,
): Finding {
  const reason = withCause(causeOf({ status, reason: cause, message }), status, message);
  switch (status) {
    case 'healthy':
      return { kind: 'running' };
    case 'updating':
      return { kind: 'working', reason };
    case 'rejected':
      return { kind: 'failed', reason: withCause(null, status, message) };
    case 'unhealthy':
    case 'failed':
      return { kind: 'failed', reason };
  }
}
