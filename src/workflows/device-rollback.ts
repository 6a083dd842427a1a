import { CancellationScope } from '@temporalio/workflow';
import { planning, quick } from './activity-options';
import { listen, type Control } from './control';
import type { DeviceRollbackInput } from './messages';
import { initialState, type RolloutState } from './state';
import { growingLooks, Stopped, waitActive } from './waiting';

/** Nothing signals the confirmation, because the rollout itself has ended. */
const FIRST_LOOK_MS = 2000;
const LONGEST_LOOK_MS = 60_000;

/**
 * Puts one device of an ended rollout back and waits until it says so, or the rollback's own deadline; the rollout stays as it
 * ended, without a hold. `cancel` stops the waiting. It ends with the device's state, which its row in the rollout has too.
 */
export async function deviceRollback(input: DeviceRollbackInput): Promise<{ status: string; reason: string | null }> {
  const { rolloutId, image, tag, deviceUuid, actor } = input;
  const state = initialState({ rolloutId, image, tag });
  const because = input.reason ?? `rollback by ${actor}`;
  Object.assign(state, { phase: 'rolling_back', because: `device ${deviceUuid}: ${because}` });
  const control = listen(state);
  control.show();
  return CancellationScope.nonCancellable(async () => {
    const { timeoutSeconds } = await planning.putBackDevice.executeWithOptions({ summary: 'put the device back' }, [
      { rolloutId, deviceUuid, reason: because, actor },
    ]);
    const { status, reason } = await untilThrough(state, control, input, timeoutSeconds * 1000);
    state.phase = status === 'rolled_back' ? 'rolled_back' : 'failed';
    Object.assign(state, { waiting: null, because: reason ?? because, counts: { [status]: 1 } });
    control.show();
    return { status, reason };
  });
}

async function untilThrough(
  state: RolloutState,
  control: Control,
  { rolloutId, deviceUuid }: DeviceRollbackInput,
  timeoutMs: number,
): Promise<{ status: string; reason: string | null }> {
  const looks = growingLooks(FIRST_LOOK_MS, LONGEST_LOOK_MS);
  let leftMs = timeoutMs;
  let giveUp: string | null = null;
  for (;;) {
    const standing = await quick.readPutBack.executeWithOptions({ summary: 'ask how the device stands' }, [
      { rolloutId, deviceUuid, giveUp },
    ]);
    if (standing.status !== 'rolling_back') return standing;
    state.counts = { rolling_back: 1 };
    state.look = false;
    const passedMs = await waitActive(state, control, {
      // Past its deadline it is on its way still where its rollout was reopened meanwhile, which decides about it.
      ms: Math.max(leftMs > 0 ? Math.min(looks.nextMs(), leftMs) : LONGEST_LOOK_MS, 1000),
      what: 'the device to confirm the rollback',
      nextRule: 'is rolled back when the device confirms, rollback_failed when the time is up',
      untilMs: leftMs > 0 ? leftMs : null,
      wake: () => state.look,
    }).catch((error: unknown) => {
      if (!(error instanceof Stopped)) throw error;
      giveUp = 'its previous image was put back, and waiting for its confirmation was cancelled';
      state.stop = null;
      return 0;
    });
    leftMs -= passedMs;
    looks.waited(passedMs);
    if (leftMs <= 0) giveUp ??= 'its previous image was put back but not confirmed in time';
  }
}
