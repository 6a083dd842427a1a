import { CancellationScope, isCancellation, patched } from '@temporalio/workflow';
import { defaultRules } from '../domain/rules';
import { evidenceOf } from '../domain/verdict';
import { planning, quick } from './activity-options';
import { catchUp } from './catch-up';
import { startChecks } from './checks';
import { startChores } from './chores';
import { listen } from './control';
import { summaryOf } from './details';
import { passGate } from './gate';
import type { RolloutInput } from './messages';
import { judgeSoFar } from './on-failure';
import { untilClaimed, untilPlanned } from './planned';
import { startRecorder } from './recorder';
import { retryFailed, settleRest } from './rest';
import { rollBack, type Ending } from './roll-back';
import type { Batch, Plan, Run } from './run';
import { runBatch, supersededEnding } from './run-batch';
import { initialState, takenOver, type RolloutState } from './state';
import { Stopped } from './waiting';
import { wakeOthers } from './wake';
import { read } from './work';

/**
 * One image, tag and revision going to its planned devices: plan, then for each batch gate, apply, settle, verdict; then waves
 * of devices that were offline; at the end completed, or rolled back to each device's own previous image. `pause` and `resume`
 * hold and release the next write and all clocks; `cancel` ends it as it stands; `rollback` wins over a pause; `approve`,
 * `reject` and `advance` open gates; `retry` and `exclude` work on single devices. It ends with the state it returns, which
 * the database holds too; started again for a rollout that has ended, it returns.
 */
export async function rollout(input: RolloutInput): Promise<{ status: string; reason: string }> {
  const state = initialState(input);
  const control = listen(state);
  control.show();
  const run: Run = { state, control, recorder: startRecorder(state) };
  const chores = startChores(run);
  const checks = startChecks(run);
  const ending = await endingOf(run);
  return CancellationScope.nonCancellable(async () => {
    // From here on a command does nothing and is told so.
    if (ending !== null) state.phase = ending.status;
    await checks.end();
    await chores.end();
    return ending === null ? leave(run) : finish(run, ending);
  });
}

/** Runs the story, and turns every way in which it can be stopped into its ending; null where it had ended before. */
async function endingOf(run: Run): Promise<Ending | null> {
  const { state } = run;
  let rules: Plan['rules'] | null = null;
  const again = state.input.resumed?.rollBack;
  if (again !== undefined)
    return CancellationScope.nonCancellable(() =>
      rollBack(run, { rollbackTimeoutSeconds: again.timeoutSeconds }, again),
    );
  try {
    const plan = await untilPlanned(run);
    if (plan.outcome === 'ended') {
      state.phase = plan.status;
      return null;
    }
    ({ rules } = plan);
    notePlan(state, plan);
    await wakeOthers(plan.tookOverFrom);
    return await tellStory(run, plan);
  } catch (error) {
    if (isCancellation(error))
      return { status: 'cancelled', reason: 'cancelled in Temporal', actor: 'temporal', error: null, hold: false };
    if (!(error instanceof Stopped) || state.stop === null) throw error;
    const { kind, reason, actor } = state.stop;
    if (kind === 'rollback')
      return CancellationScope.nonCancellable(() => rollBack(run, rules ?? defaultRules, { reason, actor }));
    return { status: kind === 'cancel' ? 'cancelled' : 'superseded', reason, actor, error: null, hold: false };
  }
}

function notePlan(state: RolloutState, plan: Plan): void {
  const { alreadyOnTarget, leftOut = 0 } = plan;
  Object.assign(state, { planned: true, rules: plan.rules, batches: plan.batches.length, alreadyOnTarget, leftOut });
  state.counts = { pending: plan.batches.reduce((sum, batch) => sum + batch.planned, 0) };
}

/** @throws Stopped */
async function tellStory(run: Run, plan: Plan): Promise<Ending> {
  return (
    (await goThroughBatches(run, plan)) ??
    (await retryFailed(run, plan.rules)) ??
    (await catchUp(run, plan)) ??
    (await retryFailed(run, plan.rules)) ??
    (await settleRest(run, plan.rules)) ??
    (await judgeSoFar(run, plan.rules)) ??
    completed(plan, run.state)
  );
}

async function goThroughBatches(run: Run, plan: Plan): Promise<Ending | null> {
  const { state } = run;
  // Where the workflow was started again, batches that have passed are not judged twice; one that failed decides as it did.
  let left = plan.batches.filter((batch) => batch.ended !== true || batch.failed === true);
  if (plan.batches.some((batch) => batch.ended === true)) await lookAgain(run);
  while (left.length > 0) {
    left = await mergedIfAsked(run, left);
    const [batch] = left;
    if (batch === undefined) break;
    await passGate(run, plan.rules, batch);
    left = await mergedIfAsked(run, left);
    if (batch.number === 1 && plan.rules.requiresApproval) await untilClaimed(run);
    if (takenOver(state)) return supersededEnding;
    const failed = await judgeSoFar(run, plan.rules);
    if (failed !== null) return failed;
    const [next, ...others] = left;
    const ending = next === undefined ? null : await runBatch(run, plan, next);
    if (ending !== null) return ending;
    left = others;
  }
  return null;
}

/** Started again, it does not know yet what it has told, nor how that went: nobody else is told before it does. */
async function lookAgain(run: Run): Promise<void> {
  // replay-tested: 2026-11-30 (test/replay/histories/0.1.0-started-again.json)
  if (patched('look-when-started-again')) {
    await read(run, null, null);
  } else {
    // 0.1.0 went on at once.
    run.control.show();
  }
}

/** `advance` with `{"to": "all"}`: what has not started becomes one batch. */
async function mergedIfAsked({ state }: Run, left: Batch[]): Promise<Batch[]> {
  const { mergeFor: actor, input } = state;
  if (actor === null || left.length === 0) return left;
  state.mergeFor = null;
  const merged = await quick.mergeBatches.executeWithOptions({ summary: 'make the batches that are left one' }, [
    { rolloutId: input.rolloutId, actor },
  ]);
  state.batches = merged?.number ?? state.batches;
  return merged === null ? [] : [merged];
}

function completed(plan: Plan, state: RolloutState): Ending {
  const { healthy, attempted, failures, superseded } = evidenceOf(state.counts);
  const { leftOut = 0 } = plan;
  const nobody =
    leftOut > 0
      ? `all ${leftOut} devices that are not on target are left out: each says why`
      : plan.alreadyOnTarget > 0
        ? `all ${plan.alreadyOnTarget} devices were already on target`
        : 'no device that the policy selects runs this image';
  const skipped = state.counts.skipped ?? 0;
  const { rolled_back: back = 0, rolling_back: onTheWay = 0, rollback_failed: notBack = 0 } = state.counts;
  // It waited for offline devices only, and lost them to a newer push: nothing was proven.
  if (attempted + back + onTheWay + notBack === 0 && superseded > 0) return supersededEnding;
  const failing = state.counts.failing_before ?? 0;
  const parts = [
    `${healthy} of ${attempted} healthy`,
    ...(failures > 0 ? [`${failures} failed`] : []),
    ...(failing > 0 ? [`${failing} failed that were failing before`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(back + onTheWay > 0 ? [`${back + onTheWay} put back`] : []),
    ...(notBack > 0 ? [`${notBack} put back without a confirmation`] : []),
  ];
  const planned = plan.batches.length > 0 || attempted + skipped > 0;
  return {
    status: 'completed',
    reason: planned ? parts.join(', ') : nobody,
    actor: 'fleetwave',
    error: null,
    hold: false,
  };
}

/** It had ended before: what was said meanwhile is recorded, and nothing else. */
async function leave({ state, recorder }: Run): Promise<{ status: string; reason: string }> {
  await recorder.end();
  return { status: state.phase, reason: 'it had ended before' };
}

export async function finish(run: Run, ending: Ending): Promise<{ status: string; reason: string }> {
  const { state, control, recorder } = run;
  state.phase = ending.status;
  state.waiting = null;
  await recorder.settled();
  const waited = await planning.finishRollout.executeWithOptions(
    { summary: summaryOf(`${ending.status.replaceAll('_', ' ')}: ${ending.reason}`) },
    [{ rolloutId: state.input.rolloutId, ...ending }],
  );
  await wakeOthers(waited);
  state.because = ending.error ?? ending.reason;
  control.show();
  // What was said while it was ending.
  await recorder.end();
  return { status: ending.status, reason: ending.error ?? ending.reason };
}
