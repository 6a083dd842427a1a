import { CancellationScope } from '@temporalio/workflow';
import type { PlanResult } from '../activities/plan';
import { planning } from './activity-options';
import { summaryOf } from './details';
import { untilResolved } from './resolved';
import { devices, type Run } from './run';
import { checkStop, growingLooks, waitActive } from './waiting';
import { wakeOthers } from './wake';

const DAY_MS = 24 * 60 * 60 * 1000;
/** A rollout that has waited so long behind another one is told apart from a forgotten one by ending. */
const LONGEST_QUEUE_MS = 7 * DAY_MS;
const FIRST_LOOK_MS = 60_000;
const LONGEST_LOOK_MS = DAY_MS / 4;

type Planned = Exclude<PlanResult, { outcome: 'queued' }>;
type Behind = Pick<Extract<PlanResult, { outcome: 'queued' }>, 'rolloutId' | 'tag' | 'devices'>;

/**
 * The plan, of what the tag points to by its registry; where the policy says `queue`, once no older rollout has any of the
 * devices. The end of that one is signalled.
 * @throws Stopped
 */
export async function untilPlanned(run: Run): Promise<Planned> {
  const { image, rolloutId } = run.state.input;
  await untilResolved(run);
  return queued(run, async () => {
    const plan = await CancellationScope.nonCancellable(() =>
      planning.planRollout.executeWithOptions({ summary: summaryOf(`find the devices that run ${image}`) }, [
        { rolloutId },
      ]),
    );
    return plan.outcome === 'queued' ? { behind: plan } : { done: plan };
  });
}

/**
 * The planned devices are this rollout's: until a person has approved it, it takes no device from another one; and where the
 * policy says `queue`, none while an older one runs. @throws Stopped
 */
export async function untilClaimed(run: Run): Promise<void> {
  const { rolloutId } = run.state.input;
  const tookOverFrom = await queued(run, async () => {
    const summary = 'claim the planned devices, from older rollouts too';
    const claimed = await planning.claimDevices.executeWithOptions({ summary }, [{ rolloutId }]);
    return claimed.behind === null ? { done: claimed.tookOverFrom } : { behind: claimed.behind };
  });
  await wakeOthers(tookOverFrom);
}

/** Asks until there is nobody left to wait for. @throws Stopped */
async function queued<T>({ state, control }: Run, ask: () => Promise<{ done: T } | { behind: Behind }>): Promise<T> {
  const looks = growingLooks(FIRST_LOOK_MS, LONGEST_LOOK_MS);
  let waitedMs = 0;
  for (let before: string | null = null; ;) {
    const answer = await ask();
    if ('done' in answer) return answer.done;
    const { rolloutId, tag, devices: count } = answer.behind;
    if (waitedMs >= LONGEST_QUEUE_MS) {
      const reason = `it was queued behind rollout ${rolloutId} for 7 days: end that one, then trigger the update again`;
      state.stop = { kind: 'cancel', reason, actor: 'fleetwave' };
      checkStop(state);
    }
    if (before !== rolloutId) {
      const reason = `${devices(count)} belong to rollout ${rolloutId} (tag ${tag})`;
      control.note('rollout.queued', { reason, data: { behind: rolloutId } });
    }
    before = rolloutId;
    const passedMs = await waitActive(state, control, {
      ms: Math.min(looks.nextMs(), LONGEST_QUEUE_MS - waitedMs),
      what: `the end of rollout ${rolloutId} (tag ${tag}), which has ${devices(count)} of this one`,
      nextRule: 'goes on when that rollout has ended; ends cancelled after 7 days',
      untilMs: LONGEST_QUEUE_MS - waitedMs,
      wake: () => state.look,
    });
    waitedMs += passedMs;
    looks.waited(passedMs);
    state.look = false;
  }
}
