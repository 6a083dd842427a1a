import { expect, test } from '@jest/globals';
import { judgeTrial, type TrialFacts } from '../../../../src/agent/rules/trial';

const NOW = 100_000;

function verdict({
  container,
  ...given
}: Partial<Omit<TrialFacts, 'container'>> & { container?: Partial<TrialFacts['container']> }): string {
  const judged = judgeTrial({
    container: {
      state: 'running',
      exitCode: 0,
      restarts: 2,
      startedAtMs: NOW - 20_000,
      engineHealth: null,
      ...container,
    },
    ...{ restartsBefore: 2, trialStartedAtMs: NOW - 20_000, now: NOW, ready: true, dead: false, problem: null },
    ...{ settleMs: 10_000, deadlineMs: 60_000, ...given },
  });
  return judged.kind === 'healthy' ? judged.kind : `${judged.kind}: ${judged.reason}`;
}

test.each([
  ['it runs long enough', {}, 'healthy'],
  ['it runs, not long enough', { settleMs: 30_000 }, 'waiting: runs, not long enough yet'],
  ['it exits', { container: { state: 'exited', exitCode: 3 } }, 'failed: CrashLoopBackOff: exited with code 3'],
  [
    'the engine restarted it',
    { container: { restarts: 3, exitCode: 1 } },
    'failed: CrashLoopBackOff: restarted once, exit code 1',
  ],
  [
    'the engine restarted it and tells no code',
    { container: { restarts: 4 } },
    'failed: CrashLoopBackOff: restarted 2 times',
  ],
  ['its probe does not pass yet', { ready: false, problem: 'tcp on 80: refused' }, 'waiting: tcp on 80: refused'],
  [
    'its probe does not pass in time',
    { ready: false, problem: 'tcp on 80: refused', deadlineMs: 20_000 },
    'failed: HealthCheckFailed: tcp on 80: refused',
  ],
  ['it became ready at the deadline', { deadlineMs: 20_000 }, 'healthy'],
  [
    'a liveness probe fails',
    { dead: true, problem: 'exec x ended with 1' },
    'failed: HealthCheckFailed: exec x ended with 1',
  ],
  ["the image's own check is not done", { container: { engineHealth: 'starting' } }, 'waiting: not ready yet'],
  [
    "the image's own check fails",
    { container: { engineHealth: 'unhealthy' } },
    "failed: HealthCheckFailed: the image's own health check",
  ],
  [
    'the clock was set back by an hour',
    { now: NOW - 3_600_000, ready: false },
    'failed: HealthCheckFailed: not ready in time',
  ],
] as const)('%s', (_, given, expected) => {
  expect(verdict(given)).toBe(expected);
});
