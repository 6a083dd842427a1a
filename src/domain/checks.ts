/** What a policy wants looked at besides the image, and what is known of it for one device. */
export type HealthCheck =
  | { kind: 'container_running' }
  | { kind: 'tcp'; port: number; timeoutSeconds: number }
  /** `status` null: any of 200 to 299. */
  | { kind: 'http'; port: number; path: string; status: number | null; timeoutSeconds: number }
  /** Proven by a word that names it, from the device or from somebody's script, and by nothing else. */
  | { kind: 'custom'; name: string };

/** Made by Fleetwave itself, against the device's registered address. */
export type ProbeCheck = Extract<HealthCheck, { kind: 'tcp' | 'http' }>;

export interface CheckResult {
  ok: boolean;
  /** For people. */
  said: string;
}

/** By the check's name; of one telling of the device, so that what was true of the image before proves nothing. */
export type CheckResults = Readonly<Record<string, CheckResult>>;

/** As stored: results of another telling than the present one do not count. */
export interface StoredResults {
  version?: number;
  results?: Record<string, CheckResult>;
}

/** The outcome of every probe of a device that has no address; the plan leaves such a device out with these words. */
export const NO_ADDRESS = 'no address: cannot be checked';

/** How people, results and reasons name a check: `tcp 6379`, `http 80/health`, `custom cache-warm`. */
export function checkName(check: Exclude<HealthCheck, { kind: 'container_running' }>): string {
  switch (check.kind) {
    case 'tcp':
      return `tcp ${check.port}`;
    case 'http':
      return `http ${check.port}${check.path}`;
    case 'custom':
      return `custom ${check.name}`;
  }
}

export function probesOf(checks: readonly HealthCheck[] | null | undefined): ProbeCheck[] {
  return (checks ?? []).filter((check) => check.kind === 'tcp' || check.kind === 'http');
}

export function resultsOf(stored: StoredResults, targetVersion: number): CheckResults {
  return stored.version === targetVersion ? (stored.results ?? {}) : {};
}

/** What a device that runs the image still lacks, as a sentence: a check that failed before one of which nothing is known. */
export function unmetCheck(checks: readonly HealthCheck[] | null | undefined, results: CheckResults): string | null {
  const names = (checks ?? []).flatMap((check) => (check.kind === 'container_running' ? [] : [checkName(check)]));
  const open = names.filter((name) => results[name]?.ok !== true);
  const failed = open.find((name) => results[name] !== undefined);
  if (failed !== undefined) return failedCheck(failed, results[failed]?.said ?? '');
  return open[0] === undefined ? null : `runs the image, waits for its check ${open[0]}`;
}

export function failedCheck(name: string, said: string): string {
  return `HealthCheckFailed: ${name}${said === '' ? '' : `: ${said}`}`;
}

/** Of one rollout: many enough for a slow fleet, few enough for a worker and its network. */
export const PROBES_AT_ONCE = 64;
/** Of one look, which is stored whole: far below the five minutes that it may take. */
const LONGEST_LOOK_SECONDS = 60;
const MOST_A_LOOK = 200;

/** How many devices are looked at before their results are stored, though none of them answers and each is looked at twice. */
export function devicesALook(checks: readonly ProbeCheck[]): number {
  const seconds = 2 * checks.reduce((sum, { timeoutSeconds }) => sum + timeoutSeconds, 0);
  return Math.min(Math.max(Math.floor((PROBES_AT_ONCE * LONGEST_LOOK_SECONDS) / Math.max(seconds, 1)), 1), MOST_A_LOOK);
}

const SHORTEST_INTERVAL = 2;
const LONGEST_INTERVAL = 30;
const LOOKS_IN_ITS_TIME = 30;

/** Seconds between two looks at one device: some thirty in the time that it has, and no more than one in two seconds. */
export function probeInterval(healthTimeoutSeconds: number): number {
  return Math.min(Math.max(healthTimeoutSeconds / LOOKS_IN_ITS_TIME, SHORTEST_INTERVAL), LONGEST_INTERVAL);
}
