import { CancellationScope } from '@temporalio/workflow';
import type { PlanResult } from '../activities/plan';
import { planning } from './activity-options';
import { summaryOf } from './details';
import { devices, type Run } from './run';
import { checkStop, growingLooks, waitActive } from './waiting';

const DAY_MS = 24 * 60 * 60 * 1000;
/** A rollout that has waited so long behind another one is told apart from a forgotten one by ending. */
const LONGEST_QUEUE_MS = 7 * DAY_MS;
const FIRST_LOOK_MS = 60_000;
const LONGEST_LOOK_MS = DAY_MS / 4;

type Planned = Exclude<PlanResult, { outcome: 'queued' }>;

/**
 * The plan; where the policy says `queue`, once no older rollout has any of the devices. The end of that one is signalled.
 * @throws Stopped
 */
export async function untilPlanned(run: Run): Promise<Planned> {
  const { state, control } = run;
  const looks = growingLooks(FIRST_LOOK_MS, LONGEST_LOOK_MS);
  let waitedMs = 0;
  for (let behind: string | null = null; ;) {
    const plan = await CancellationScope.nonCancellable(() =>
      planning.planRollout.executeWithOptions(
        { summary: summaryOf(`find the devices that run ${state.input.image}`) },
        [{ rolloutId: state.input.rolloutId }],
      ),
    );
    if (plan.outcome !== 'queued') return plan;
    if (waitedMs >= LONGEST_QUEUE_MS) {
      const reason = `it was queued behind rollout ${plan.rolloutId} for 7 days: end that one, then trigger the update again`;
      state.stop = { kind: 'cancel', reason, actor: 'fleetwave' };
      checkStop(state);
    }
    if (behind !== plan.rolloutId) {
      const reason = `${devices(plan.devices)} belong to rollout ${plan.rolloutId} (tag ${plan.tag})`;
      control.note('rollout.queued', { reason, data: { behind: plan.rolloutId } });
    }
    behind = plan.rolloutId;
    const passedMs = await waitActive(state, control, {
      ms: Math.min(looks.nextMs(), LONGEST_QUEUE_MS - waitedMs),
      what: `the end of rollout ${plan.rolloutId} (tag ${plan.tag}), which has ${devices(plan.devices)} of this one`,
      nextRule: 'is planned when that rollout has ended; ends cancelled after 7 days',
      untilMs: LONGEST_QUEUE_MS - waitedMs,
      wake: () => state.look,
    });
    waitedMs += passedMs;
    looks.waited(passedMs);
    state.look = false;
  }
}
