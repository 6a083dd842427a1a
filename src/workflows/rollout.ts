import {
  ActivityCancellationType,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
} from '@temporalio/workflow';
import type { PlanResult } from '../activities/plan';
import { evidenceOf, type StatusCounts } from '../domain/verdict';
import { chunked, planning, quick } from './activity-options';
import { listen, type Control } from './control';
import { summaryOf } from './details';
import { passGate } from './gate';
import { healthSignal, type RolloutInput } from './messages';
import { startRecorder, type Recorder } from './recorder';
import { rollBack, type Ending } from './roll-back';
import { settle, type Judged } from './settle';
import { initialState, takenOver, type RolloutState } from './state';
import { checkStop, Stopped, waitActive, whileRunning } from './waiting';

/** How soon a batch that was held back in the middle is tried again. */
const HELD_BACK_MS = 5000;

type Plan = Extract<PlanResult, { outcome: 'planned' }>;

/** What everything in a rollout works with. */
interface Run {
  state: RolloutState;
  control: Control;
  recorder: Recorder;
}

/**
 * One image, tag and revision going to its planned devices: plan, then for each batch gate, apply, settle, verdict; at the
 * end completed, or rolled back to each device's own previous image. `pause` and `resume` hold and release the next write
 * and all clocks; `cancel` ends it as it stands; `rollback` wins over a pause; `approve`, `reject` and `advance` open gates.
 * It ends with the state it returns, which the database holds too; started again for a rollout that has ended, it returns.
 */
export async function rollout(input: RolloutInput): Promise<{ status: string; reason: string }> {
  const state = initialState(input);
  const control = listen(state);
  control.show();
  const recorder = startRecorder(state);
  const run: Run = { state, control, recorder };

  const plan = await CancellationScope.nonCancellable(() =>
    planning.planRollout.executeWithOptions({ summary: summaryOf(`find the devices that run ${input.image}`) }, [
      { rolloutId: input.rolloutId },
    ]),
  );
  if (plan.outcome === 'ended') {
    state.phase = plan.status;
    await recorder.end();
    return { status: plan.status, reason: 'it had ended before' };
  }
  const { alreadyOnTarget, leftOut = 0 } = plan;
  Object.assign(state, { batches: plan.batches.length, alreadyOnTarget, leftOut });
  state.counts = { pending: plan.batches.reduce((sum, batch) => sum + batch.planned, 0) };

  const ending = await endingOf(run, plan);
  return CancellationScope.nonCancellable(() => finish(run, ending));
}

/** Runs the story, and turns every way in which it can be stopped into its ending. */
async function endingOf(run: Run, plan: Plan): Promise<Ending> {
  try {
    await wakeOlder(plan.tookOverFrom);
    return await goThroughBatches(run, plan);
  } catch (error) {
    const { state } = run;
    if (isCancellation(error))
      return { status: 'cancelled', reason: 'cancelled in Temporal', actor: 'temporal', error: null, hold: false };
    if (!(error instanceof Stopped) || state.stop === null) throw error;
    const { kind, reason, actor } = state.stop;
    if (kind === 'rollback')
      return CancellationScope.nonCancellable(() => rollBack(state, run.control, plan.rules, { reason, actor }));
    return { status: kind === 'cancel' ? 'cancelled' : 'superseded', reason, actor, error: null, hold: false };
  }
}

async function goThroughBatches(run: Run, plan: Plan): Promise<Ending> {
  const { state, control, recorder } = run;
  const { rolloutId } = state.input;
  for (const batch of plan.batches) {
    await passGate(state, control, recorder, plan.rules, batch);
    if (batch.number === 1 && plan.rules.requiresApproval) await claim(rolloutId);
    if (takenOver(state)) return supersededEnding;
    const told = await apply(run, batch.number, batch.planned);
    const judged = await settle(state, control, recorder, plan.rules, {
      batch: batch.number,
      counts: told,
      soakSeconds: batch.soakSeconds ?? null,
    });
    if (judged.kind === 'skipped' && takenOver(state)) return supersededEnding;
    await close(rolloutId, batch.number, judged);
    checkStop(state);
    if (judged.kind === 'fail') {
      return await CancellationScope.nonCancellable(() =>
        rollBack(state, control, plan.rules, { reason: judged.explanation, actor: 'fleetwave' }),
      );
    }
  }
  return (await retryFailed(run, plan)) ?? completed(plan, state);
}

/** Until a person has approved it, a rollout takes no device from another one. */
async function claim(rolloutId: string): Promise<void> {
  const summary = 'claim the planned devices, from older rollouts too';
  await wakeOlder(await planning.claimDevices.executeWithOptions({ summary }, [{ rolloutId }]));
}

/** Applies until nothing of the batch is left: a pause in the middle stops the activity, a resume goes on. */
async function apply(run: Run, batch: number, devices: number): Promise<StatusCounts> {
  const { state, control, recorder } = run;
  state.waiting = {
    what: `target state of ${devices} devices to be written`,
    since: Date.now(),
    until: null,
    nextRule: null,
  };
  control.show();
  for (;;) {
    await whileRunning(state);
    await recorder.settled();
    const result = await untilStopped(state, () =>
      chunked.applyBatch.executeWithOptions(
        {
          summary: `batch ${batch}: write the target state of ${devices} ${devices === 1 ? 'device' : 'devices'}`,
          cancellationType: ActivityCancellationType.TRY_CANCEL,
        },
        [{ rolloutId: state.input.rolloutId, batch }],
      ),
    );
    state.counts = result.overall;
    if (result.done) return result.batch;
    if (result.ended) {
      state.stop = { kind: 'cancel', reason: 'the rollout was ended in the database', actor: 'fleetwave' };
      checkStop(state);
    }
    // Held back by what the database says; if no pause explains it, it is not asked again in a tight loop.
    await waitActive(state, control, {
      ms: HELD_BACK_MS,
      what: 'the rollout to be allowed to go on',
      wake: () => state.paused,
    });
  }
}

/** A stop does not wait for the activity: what that still writes is put back or left, by the state it finds. */
async function untilStopped<T>(state: RolloutState, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  let over = false;
  const result = scope.run(work).finally(() => {
    over = true;
  });
  await Promise.race([result, condition(() => over || state.stop !== null)]);
  if (state.stop !== null) {
    result.catch(() => undefined);
    scope.cancel();
  }
  checkStop(state);
  return result;
}

async function close(rolloutId: string, batch: number, judged: Judged): Promise<void> {
  const status = judged.kind === 'pass' ? 'passed' : judged.kind === 'fail' ? 'failed' : 'skipped';
  const { rule, explanation, counts } = judged;
  await quick.closeBatch.executeWithOptions({ summary: summaryOf(`batch ${batch} ${status}: ${explanation}`) }, [
    { rolloutId, batch, status, rule, explanation, counts },
  ]);
}

/** After the last batch, failed devices get the tries their policy gives them, judged by the same rules. */
async function retryFailed(run: Run, plan: Plan): Promise<Ending | null> {
  const { state, control, recorder } = run;
  for (let attempt = 2; attempt <= plan.rules.retryAttempts && evidenceOf(state.counts).failures > 0; attempt++) {
    const { failures } = evidenceOf(state.counts);
    await waitActive(state, control, {
      ms: plan.rules.retryDelaySeconds * 1000,
      what: `try ${attempt} of ${failures} failed devices`,
      wake: () => state.advance,
    });
    state.advance = false;
    await recorder.settled();
    const told = await quick.retryDevices.executeWithOptions(
      { summary: `write the target state of ${failures} failed ${failures === 1 ? 'device' : 'devices'} again` },
      [{ rolloutId: state.input.rolloutId, attempt }],
    );
    if (told === 0) return null;
    // Until the first look, what is known is that so many are on their way again.
    state.counts = {
      ...state.counts,
      scheduled: told,
      failed: Math.max(failures - told, 0),
      timed_out: 0,
      unreachable: 0,
    };
    const judged = await settle(state, control, recorder, plan.rules, { batch: null, counts: state.counts });
    if (judged.kind === 'fail') {
      return CancellationScope.nonCancellable(() =>
        rollBack(state, control, plan.rules, { reason: judged.explanation, actor: 'fleetwave' }),
      );
    }
  }
  return null;
}

const supersededEnding: Ending = {
  status: 'superseded',
  reason: 'a newer rollout of the image took the devices that were left',
  actor: 'fleetwave',
  error: null,
  hold: false,
};

function completed(plan: Plan, state: RolloutState): Ending {
  const { healthy, attempted, failures } = evidenceOf(state.counts);
  const { leftOut = 0 } = plan;
  const nobody =
    leftOut > 0
      ? `the tag rule leaves out all ${leftOut} devices that are not on target`
      : plan.alreadyOnTarget > 0
        ? `all ${plan.alreadyOnTarget} devices were already on target`
        : 'no device that the policy selects runs this image';
  const reason =
    attempted === 0 ? nobody : `${healthy} of ${attempted} healthy${failures > 0 ? `, ${failures} failed` : ''}`;
  return { status: 'completed', reason, actor: 'fleetwave', error: null, hold: false };
}

/** The rollouts that devices were taken from look at once instead of at their next timer; one that has ended needs nothing. */
async function wakeOlder(workflowIds: readonly string[]): Promise<void> {
  for (const workflowId of workflowIds) {
    await getExternalWorkflowHandle(workflowId)
      .signal(healthSignal, {})
      .catch((error: unknown) => {
        if (isCancellation(error)) throw error;
      });
  }
}

async function finish(run: Run, ending: Ending): Promise<{ status: string; reason: string }> {
  const { state, control, recorder } = run;
  // From here on a command does nothing and is told so.
  state.phase = ending.status;
  await recorder.end();
  await quick.finishRollout.executeWithOptions(
    { summary: summaryOf(`${ending.status.replaceAll('_', ' ')}: ${ending.reason}`) },
    [{ rolloutId: state.input.rolloutId, ...ending }],
  );
  state.because = ending.error ?? ending.reason;
  state.waiting = null;
  control.show();
  return { status: ending.status, reason: ending.error ?? ending.reason };
}
