import { checkName, failedCheck, type CheckResult, type HealthCheck } from './checks';
import { judgeReport, runs, servicesOnImage, type Finding, type ProvesImage, type ServiceChange } from './report';
import type { ReportedService } from './report';
import { CRASH_LOOP, seeRestarts, type RestartsSeen, type SeenRun } from './restarts';

/** What reports have shown of a device since it was told: kept with it, because one report alone tells no crash loop. */
export interface Proof {
  /** Of the telling; what was written for another one does not count. */
  version: number;
  /** The newest report, or word, shows it on the image that it was told, and running. */
  running: boolean;
  runs: Record<string, SeenRun>;
}

/** `{}` is what a device begins with. */
export function proofOf(stored: Partial<Proof>, version: number): Proof {
  const { running = false, runs: seen = {} } = stored;
  return stored.version === version ? { version, running, runs: seen } : { version, running: false, runs: {} };
}

export interface JudgedReport {
  finding: Finding;
  proof: Proof;
  /** Only another container tells that it was restarted: worth asking whether its agent makes them anew by itself. */
  byContainerAlone: boolean;
}

/** A report of a device that was told: its finding, and what has to be remembered for the next report. */
export function judgeTold(
  told: { changes: readonly ServiceChange[]; proof: Proof },
  services: readonly ReportedService[],
  provesImage: ProvesImage,
  recreates?: (change: ServiceChange) => boolean,
): JudgedReport {
  const { changes, proof } = told;
  const onImage = servicesOnImage(changes, services, provesImage);
  const seen = seeRestarts(proof.runs, onImage, recreates);
  const finding = afterRestarts(judgeReport(changes, 'to', services, provesImage), seen);
  return {
    finding,
    proof: { version: proof.version, running: runs(finding), runs: seen.runs },
    byContainerAlone: seen.byContainerAlone,
  };
}

/** Running between two crashes is no health: the soak begins anew, and what goes on crashing has failed. */
function afterRestarts(finding: Finding, { restarted }: RestartsSeen): Finding {
  if (restarted === null || finding.kind === 'failed') return finding;
  const { name, seen } = restarted;
  const times = seen === 1 ? 'once' : `${seen} times`;
  if (seen >= CRASH_LOOP)
    return { kind: 'failed', reason: `CrashLoopBackOff: ${name}: restarted ${times} since it was told` };
  return finding.kind === 'running'
    ? { kind: 'restarted', reason: `${name} was restarted (${times} since it was told): its soak begins anew` }
    : finding;
}

/** What a word or a report says of checks by their names, of those that the rules ask for. */
export function spokenResults(
  checks: readonly HealthCheck[] | null | undefined,
  said: Readonly<Record<string, SaidOfCheck>>,
): Record<string, CheckResult> {
  const results: Record<string, CheckResult> = {};
  for (const check of checks ?? []) {
    const word = check.kind === 'custom' ? said[check.name] : undefined;
    if (check.kind !== 'custom' || word === undefined) continue;
    results[checkName(check)] = { ok: word.status === 'healthy', said: word.message ?? `said to be ${word.status}` };
  }
  return results;
}

export interface SaidOfCheck {
  status: 'healthy' | 'unhealthy';
  message: string | null;
}

/** A check that is said not to hold is a failure at once, as a container that is said to be unhealthy is. */
export function afterSpoken(finding: Finding, spoken: Readonly<Record<string, CheckResult>>): Finding {
  const bad = Object.entries(spoken).find(([, result]) => !result.ok);
  if (bad === undefined || finding.kind === 'failed') return finding;
  return { kind: 'failed', reason: failedCheck(bad[0], bad[1].said) };
}

const LONGEST_MESSAGE = 500;

/** The field `checks` of a report, `{"cache-warm": "healthy"}` or with a message; what has another shape is passed over. */
export function reportedChecks(value: unknown): Record<string, SaidOfCheck> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const said: Record<string, SaidOfCheck> = {};
  for (const [name, word] of Object.entries(value as Record<string, unknown>)) {
    const { status, message } = (typeof word === 'object' && word !== null ? word : { status: word }) as {
      status?: unknown;
      message?: unknown;
    };
    if (status !== 'healthy' && status !== 'unhealthy') continue;
    said[name] = { status, message: typeof message === 'string' ? message.slice(0, LONGEST_MESSAGE) : null };
  }
  return said;
}
