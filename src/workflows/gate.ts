import { condition } from '@temporalio/workflow';
import type { RolloutRules } from '../domain/rules';
import { quick } from './activity-options';
import type { Control } from './control';
import type { Run } from './run';
import { failedSoFar, takenOver, type RolloutState } from './state';
import { waitActive, whileRunning } from './waiting';

/** A gate nobody opens must not stay open for ever; a day is one working day in every time zone. */
const APPROVAL_TIMEOUT_MS = 24 * 60 * 60 * 1000;

export interface BatchGate {
  number: number;
  requiresApproval: boolean;
  /** Its own delay; where it has none, the rules' comes between two batches and not before the first. */
  delaySeconds?: number | null;
}

/** Everything that holds a batch back: a pause, the delay after the one before, an approval. @throws Stopped */
export async function passGate(run: Run, rules: RolloutRules, batch: BatchGate): Promise<void> {
  const { state, control, recorder } = run;
  await whileRunning(state);
  // One that came while the batch before was being counted was meant for that batch.
  state.advance = false;
  const delaySeconds = batch.delaySeconds ?? (batch.number > 1 ? rules.batchDelaySeconds : 0);
  if (delaySeconds > 0) {
    // Also before the first batch: a rollout that is pending cannot be told to advance.
    if (state.phase !== 'in_progress') control.note('rollout.in_progress');
    state.phase = 'in_progress';
    await delay(state, control, delaySeconds * 1000, batch.number);
  }
  state.advance = false;
  const asks = batch.requiresApproval || (batch.number === 1 && rules.requiresApproval);
  // Who asked for all the rest at once has seen the batches before it: no approval is asked for again.
  if (asks && (state.mergeFor === null || batch.number === 1)) await approval(state, control, batch.number);
  // The statement that writes target state looks at the recorded state: a resume must be there before it.
  await recorder.settled();
  // A device that is to be left out must not be told first and put back then.
  const leftOut = (): boolean => state.stop !== null || !state.chores.some(({ kind }) => kind === 'exclude');
  if (!leftOut()) await condition(leftOut);
  state.phase = 'in_progress';
  state.batch = batch.number;
}

/** A signal in between may say that a newer rollout took the devices that were left: then there is nothing to wait for. */
async function delay(state: RolloutState, control: Control, ms: number, batch: number): Promise<void> {
  for (let left = ms; left > 0 && !state.advance && !takenOver(state) && failedSoFar(state) === null;) {
    left -= await waitActive(state, control, {
      ms: left,
      what: `the delay before batch ${batch}`,
      wake: () => state.advance || state.look,
    });
    if (!state.look) continue;
    state.look = false;
    const seen = await quick.readHealth.executeWithOptions({ summary: 'count the devices' }, [
      { rolloutId: state.input.rolloutId, batch: null, soakSeconds: null },
    ]);
    state.counts = seen.overall;
  }
}

async function approval(state: RolloutState, control: Control, batch: number): Promise<void> {
  state.phase = 'awaiting_approval';
  state.approved = false;
  control.note('rollout.awaiting_approval', { batch });
  const waited = await waitActive(state, control, {
    ms: APPROVAL_TIMEOUT_MS,
    what: `approval of batch ${batch}`,
    nextRule: 'ends cancelled when nobody approves in time',
    // Nothing is to be approved of a release that has failed meanwhile.
    wake: () => state.approved || failedSoFar(state) !== null,
  });
  if (waited >= APPROVAL_TIMEOUT_MS && failedSoFar(state) === null)
    state.stop = { kind: 'cancel', reason: `nobody approved batch ${batch} in time`, actor: 'fleetwave' };
  await whileRunning(state);
}
