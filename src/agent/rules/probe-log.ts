import type { Probe } from './service-config';

/** How the probes of one container went so far. */
export interface ProbeLog {
  successes: number;
  failures: number;
  /** Passed as often in a row as it must; from then on it takes `failureThreshold` failures to take that back. */
  passing: boolean;
  dueAtMs: number;
  problem: string | null;
}

export function newProbeLog(probe: Probe, startedAtMs: number): ProbeLog {
  return { successes: 0, failures: 0, passing: false, dueAtMs: startedAtMs + probe.initialDelayMs, problem: null };
}

/** `problem` is null when the probe passed. */
export function afterProbe(probe: Probe, log: ProbeLog, problem: string | null, now: number): ProbeLog {
  const successes = problem === null ? log.successes + 1 : 0;
  const failures = problem === null ? 0 : log.failures + 1;
  const passing = log.passing ? failures < probe.failureThreshold : successes >= probe.successThreshold;
  return { successes, failures, passing, dueAtMs: now + probe.periodMs, problem };
}

export interface ProbeSummary {
  /** All startup and readiness probes pass. */
  ready: boolean;
  /** A liveness probe failed as often as it may, once the startup probes had passed. */
  dead: boolean;
  problem: string | null;
}

export function summarizeProbes(probes: readonly Probe[], logs: readonly ProbeLog[]): ProbeSummary {
  const summary: ProbeSummary = { ready: true, dead: false, problem: null };
  probes.forEach((probe, index) => {
    const log = logs[index];
    if (log === undefined) return;
    if (probe.purpose !== 'live' && !log.passing) summary.ready = false;
    if (probe.purpose === 'live' && log.failures >= probe.failureThreshold) summary.dead = true;
    if (log.problem !== null) summary.problem = log.problem;
  });
  return summary;
}

/** Startup first: readiness and liveness are not asked before a startup probe passes. */
export function isDue(
  probe: Probe,
  log: ProbeLog,
  probes: readonly Probe[],
  logs: readonly ProbeLog[],
  now: number,
): boolean {
  if (log.dueAtMs > now) return false;
  if (probe.purpose === 'startup') return !log.passing;
  return probes.every((other, index) => other.purpose !== 'startup' || logs[index]?.passing === true);
}
