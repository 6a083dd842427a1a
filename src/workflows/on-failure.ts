import { CancellationScope } from '@temporalio/workflow';
import type { RolloutRules } from '../domain/rules';
import { evidenceOf, nextRule, type Evidence, type Excused } from '../domain/verdict';
import { rollBack, type Ending } from './roll-back';
import { devices, type Run } from './run';
import { failedSoFar } from './state';
import { growingLooks, waitActive, whileRunning } from './waiting';
import { read, type Judged } from './work';

/**
 * What the policy wants after a failed verdict: the ending, or null to go on. Whoever goes on does so in spite of the failures
 * that are known now: no rule fires for them again. @throws Stopped
 */
export async function onFailure(run: Run, rules: RolloutRules, judged: Judged): Promise<Ending | null> {
  const { state, control } = run;
  const why = { reason: judged.explanation, actor: 'fleetwave' };
  switch (rules.onFailure) {
    case 'rollback':
      return CancellationScope.nonCancellable(() => rollBack(run, rules, why));
    case 'rollback_failed':
      control.note('rollout.stopped_by_failure', { reason: why.reason });
      await settled(run, rules);
      return CancellationScope.nonCancellable(() => rollBack(run, rules, { ...why, scope: 'failed' }));
    case 'pause':
      excuse(run, judged);
      state.paused = true;
      state.pausedAt = Date.now();
      state.pausedBecause = why.reason;
      control.note('rollout.paused_by_failure', { reason: why.reason });
      state.waiting = {
        what: `what is left of batch ${state.batch ?? 1}, in spite of the failures`,
        since: Date.now(),
        until: null,
        nextRule: null,
      };
      control.remark(`paused, as the policy says: ${why.reason}`);
      control.show();
      await whileRunning(state);
      return null;
    case 'continue':
      excuse(run, judged);
      control.note('rollout.continued_after_failure', { reason: why.reason });
      control.remark(`goes on, as the policy says: ${why.reason}`);
      return null;
  }
}

/** Between batches, and before the end: too many that had passed have broken since. The ending, or null to go on. @throws Stopped */
export async function judgeSoFar(run: Run, rules: RolloutRules): Promise<Ending | null> {
  const { state } = run;
  const failed = failedSoFar(state);
  return failed === null ? null : onFailure(run, rules, { ...failed, counts: state.counts });
}

function excuse({ state }: Run, judged: Judged): void {
  const excusedIn = ({ failures, unreachable }: Evidence): Excused => ({ failures, unreachable });
  state.excused = {
    batch: excusedIn(evidenceOf(judged.counts)),
    overall: excusedIn(evidenceOf(state.counts)),
  };
}

/** Nobody is told any more: waits until those who were are healthy or not, because only then it is known who failed. */
async function settled(run: Run, rules: RolloutRules): Promise<void> {
  const { state, control } = run;
  const looks = growingLooks((rules.healthTimeoutSeconds * 1000) / 4, rules.healthTimeoutSeconds * 1000);
  for (;;) {
    const { overall, deadlineSeconds, soakDueSeconds } = await read(run, null, null);
    const evidence = evidenceOf(overall);
    const open = unsettled(evidence);
    if (open === 0) return;
    const due = (evidence.soaking === open ? soakDueSeconds : deadlineSeconds) ?? rules.healthTimeoutSeconds;
    looks.waited(
      await waitActive(state, control, {
        ms: Math.min(looks.nextMs(), due * 1000) + 50,
        what: `health of ${devices(open)}, before those that failed are put back`,
        nextRule: nextRule(evidence, rules),
        untilMs: due * 1000,
        wake: () => state.look,
      }),
    );
    state.look = false;
  }
}

function unsettled({ attempted, settled: done }: Evidence): number {
  return attempted - done;
}
