import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { planning } from './activity-options';
import { listen } from './control';
import type { RollbackInput } from './messages';
import { startRecorder } from './recorder';
import { rollBack } from './roll-back';
import { finish } from './rollout';
import { initialState } from './state';

/**
 * Puts a rollout back that has ended: reopens it as `rolling_back`, puts each of its devices back that no newer rollout has,
 * waits until they say so, and ends it as `rolled_back`, or as `failed` with the devices that did not, under a hold. `cancel`
 * stops the waiting; every other command changes nothing. Where there is nothing to put back, it leaves the rollout as it is.
 */
export async function rollback(input: RollbackInput): Promise<{ status: string; reason: string }> {
  const { rolloutId, image, tag, actor } = input;
  const state = initialState({ rolloutId, image, tag });
  state.phase = 'rolling_back';
  const control = listen(state);
  control.show();
  const why = { reason: input.reason ?? `rollback by ${actor}`, actor };
  const { workflowId, runId } = workflowInfo();
  return CancellationScope.nonCancellable(async () => {
    const reopened = await planning.reopenRollout.executeWithOptions(
      { summary: 'take the devices that no newer rollout has' },
      [{ rolloutId, workflowId, runId, ...why }],
    );
    if (reopened.outcome === 'left') {
      Object.assign(state, { phase: reopened.status, because: reopened.why });
      control.show();
      return { status: reopened.status, reason: reopened.why };
    }
    const { alreadyOnTarget, leftOut } = reopened;
    Object.assign(state, { alreadyOnTarget, leftOut });
    const run = { state, control, recorder: startRecorder(state) };
    return finish(run, await rollBack(run, reopened, why));
  });
}
