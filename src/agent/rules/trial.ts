import type { SeenContainer } from './seen-container';

export interface TrialFacts {
  container: Pick<SeenContainer, 'state' | 'exitCode' | 'restarts' | 'startedAtMs' | 'engineHealth'>;
  /** How often the engine had restarted it when the trial began. */
  restartsBefore: number;
  trialStartedAtMs: number;
  now: number;
  /** All startup and readiness probes have passed; true where there are none. */
  ready: boolean;
  /** A liveness probe failed as often as it may. */
  dead: boolean;
  /** What the last failing probe said. */
  problem: string | null;
  settleMs: number;
  deadlineMs: number;
}

export type TrialVerdict =
  { kind: 'healthy' } | { kind: 'waiting'; reason: string } | { kind: 'failed'; reason: string };

/**
 * Whether a new container has proven itself: it runs without a restart for the settling time and its probes pass. A
 * container that exits has failed at once; one whose probes do not pass fails at the deadline.
 */
export function judgeTrial(facts: TrialFacts): TrialVerdict {
  const { container, now, problem } = facts;
  if (container.state === 'exited')
    return { kind: 'failed', reason: `CrashLoopBackOff: exited with code ${container.exitCode}` };
  const restarts = container.restarts - facts.restartsBefore;
  if (restarts > 0)
    return {
      kind: 'failed',
      reason: `CrashLoopBackOff: restarted ${times(restarts)}${lastExit(container)}`,
    };
  if (container.engineHealth === 'unhealthy')
    return { kind: 'failed', reason: "HealthCheckFailed: the image's own health check" };
  if (facts.dead) return { kind: 'failed', reason: `HealthCheckFailed: ${problem ?? 'a liveness probe'}` };
  // A clock that was set back must not stretch the trial.
  const settled = Math.abs(now - container.startedAtMs) >= facts.settleMs;
  const ready = facts.ready && container.engineHealth !== 'starting';
  if (settled && ready) return { kind: 'healthy' };
  if (!ready && Math.abs(now - facts.trialStartedAtMs) >= facts.deadlineMs)
    return { kind: 'failed', reason: `HealthCheckFailed: ${problem ?? 'not ready in time'}` };
  return { kind: 'waiting', reason: ready ? 'runs, not long enough yet' : (problem ?? 'not ready yet') };
}

/** Of a container that runs again, engines say 0, whatever it ended with before. */
export function lastExit({ exitCode }: Pick<SeenContainer, 'exitCode'>): string {
  return exitCode === 0 ? '' : `, exit code ${exitCode}`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
