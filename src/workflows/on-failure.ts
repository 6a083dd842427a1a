import { CancellationScope, condition } from '@temporalio/workflow';
import type { RolloutRules } from '../domain/rules';
import { evidenceOf, nextRule, type Evidence, type Excused } from '../domain/verdict';
import { rollBack, type Ending } from './roll-back';
import { devices, type Run } from './run';
import { failedSoFar } from './state';
import { checkStop, growingLooks, waitActive, whileRunning } from './waiting';
import { because, failureAmongTold, read, type Judged } from './work';

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
      await settled(run, rules, 'before those that failed are put back');
      return CancellationScope.nonCancellable(() => rollBack(run, rules, { ...why, scope: 'failed' }));
    case 'pause':
      excuse(run, judged);
      state.paused = true;
      state.pausedAt = Date.now();
      state.pausedBecause = why.reason;
      control.note('rollout.paused_by_failure', { reason: why.reason });
      state.waiting = {
        what: `${isOver(judged) ? 'what comes after' : 'what is left of'} batch ${state.batch ?? 1}, in spite of the failures`,
        since: Date.now(),
        until: null,
        nextRule: null,
      };
      control.remark(`paused, as the policy says: ${why.reason}`);
      control.show();
      await whileRunning(state);
      return retriesDone(run, rules);
    case 'continue':
      excuse(run, judged);
      control.note('rollout.continued_after_failure', { reason: why.reason });
      control.remark(`goes on, as the policy says: ${why.reason}`);
      return null;
  }
}

function isOver({ counts }: Judged): boolean {
  return (counts.pending ?? 0) === 0;
}

/**
 * Devices that are told again are judged before anybody else is told: whoever asked for it wants to see them healthy first. The
 * ending, or null to go on; where too many failed again it is paused again. @throws Stopped
 */
async function retriesDone(run: Run, rules: RolloutRules): Promise<Ending | null> {
  const { state } = run;
  const isAsked = (): boolean => state.stop === null && state.chores.some(({ kind }) => kind === 'retry');
  if (!isAsked()) return null;
  state.phase = 'in_progress';
  await condition(() => !isAsked());
  checkStop(state);
  // Those that are on their way again are excused no more: should they fail again, that is news.
  await read(run, state.batch, null);
  await settled(run, rules, 'before anybody else is told');
  const failed = await failureAmongTold(run, rules);
  return failed === null ? null : onFailure(run, rules, failed);
}

/** Between batches, and before the end: too many that had passed have broken since. The ending, or null to go on. @throws Stopped */
export async function judgeSoFar(run: Run, rules: RolloutRules): Promise<Ending | null> {
  const { state } = run;
  for (;;) {
    const failed = failedSoFar(state);
    if (failed === null) return null;
    const explanation = because(failed.explanation, state.causes);
    const ending = await onFailure(run, rules, { ...failed, explanation, counts: state.counts });
    if (ending !== null) return ending;
  }
}

function excuse({ state }: Run, judged: Judged): void {
  const excusedIn = ({ failures, unreachable }: Evidence): Excused => ({ failures, unreachable });
  state.excused = {
    batch: excusedIn(evidenceOf(judged.counts)),
    overall: excusedIn(evidenceOf(state.counts)),
  };
}

/** Nobody else is told: waits until those who were are healthy or not, because only then it is known who failed. */
async function settled(run: Run, rules: RolloutRules, why: string): Promise<void> {
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
        what: `health of ${devices(open)}, ${why}`,
        nextRule: nextRule({ ...evidence, pending: 0 }, rules),
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
