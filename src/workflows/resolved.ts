import { ActivityCancellationType, ActivityFailure, isCancellation, log } from '@temporalio/workflow';
import type { ResolveResult } from '../activities/resolve';
import { notChecked } from '../domain/resolution';
import { asking } from './activity-options';
import { summaryOf } from './details';
import type { Run } from './run';
import type { RolloutState } from './state';
import { checkStop, untilStopped, waitActive } from './waiting';

/** A registry may announce a tag a moment before all of its replicas have it: asked again after these, half a minute in all. */
const ABSENT_AGAIN_MS = [5000, 10_000, 15_000];

/**
 * Waits until the push is as old as its policy wants it, then has its registry asked what the tag points to: before the plan,
 * which uses the digest. What is unknown does not stop the rollout; an image that cannot be pulled, or lacks a platform, ends it
 * before anybody is told, without a hold. @throws Stopped
 */
export async function untilResolved(run: Run): Promise<void> {
  const { state, control } = run;
  await untilOldEnough(run);
  state.waiting = {
    what: 'its registry to say what the tag points to',
    since: Date.now(),
    until: null,
    nextRule: null,
  };
  control.show();
  let answer = await ask(run);
  for (const ms of ABSENT_AGAIN_MS) {
    if (answer.outcome !== 'absent') break;
    const what = 'the tag to be at its registry, which says that there is none';
    await waitActive(state, control, { ms, what, nextRule: 'asks again; ends cancelled after half a minute' });
    answer = await ask(run);
  }
  state.waiting = null;
  if (answer.outcome !== 'goes_on') {
    state.stop = { kind: 'cancel', reason: answer.reason, actor: 'fleetwave' };
    checkStop(state);
    return;
  }
  state.resolved = answer.said;
  control.show();
}

/** Nothing but time, and what stops it, ends this wait; it stands still in a pause, as every clock does. @throws Stopped */
async function untilOldEnough({ state, control }: Run): Promise<void> {
  const { oldEnoughAt } = state.input;
  const ms = oldEnoughAt === undefined ? 0 : Date.parse(oldEnoughAt) - Date.now();
  if (ms <= 0) return;
  const what = 'the push to be as old as its policy asks ("min_age_seconds")';
  state.phase = 'scheduled';
  control.note('rollout.scheduled', { reason: what, data: { until: oldEnoughAt } });
  await waitActive(state, control, { ms, what, nextRule: 'is planned then; a newer push of the tag takes its place' });
}

async function ask(run: Run): Promise<ResolveResult> {
  const { state } = run;
  const { rolloutId, image, tag } = state.input;
  const summary = summaryOf(`ask the registry of ${image} what tag ${tag} points to`);
  const cancellationType = ActivityCancellationType.TRY_CANCEL;
  try {
    return await untilStopped(state, () =>
      asking.resolvePush.executeWithOptions({ summary, cancellationType }, [{ rolloutId }]),
    );
  } catch (error) {
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    return { outcome: 'goes_on', said: notAsked(run, state, error) };
  }
}

/** The activity failed as often as it may: a fleet is not held up by what only makes it safer. */
function notAsked({ control }: Run, { input }: RolloutState, { cause }: ActivityFailure): string {
  const reason = notChecked(`the registry could not be asked (${cause?.message ?? 'no reason given'})`);
  log.warn('a push was not resolved', { rolloutId: input.rolloutId, reason });
  control.note('rollout.resolved', { reason, data: { outcome: 'unknown' } });
  return reason;
}
