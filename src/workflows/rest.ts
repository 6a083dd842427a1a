import { condition } from '@temporalio/workflow';
import type { RolloutRules } from '../domain/rules';
import { evidenceOf } from '../domain/verdict';
import { quick } from './activity-options';
import { heldSentence } from './held';
import { onFailure } from './on-failure';
import type { Ending } from './roll-back';
import { devices, type Run } from './run';
import { nobodyExcused } from './state';
import { growingLooks, waitActive } from './waiting';
import { read, workUntilVerdict } from './work';

const FIRST_LOOK_MS = 60_000;
const LONGEST_LOOK_MS = 6 * 60 * 60 * 1000;

/**
 * After the last batch, failed devices get the tries their policy gives them, judged by the same rules.
 * @throws Stopped
 */
export async function retryFailed(run: Run, rules: RolloutRules): Promise<Ending | null> {
  const { state, control } = run;
  state.phase = 'in_progress';
  for (let attempt = 2; attempt <= rules.retryAttempts && evidenceOf(state.counts).failures > 0; attempt++) {
    const { failures } = evidenceOf(state.counts);
    await waitActive(state, control, {
      ms: rules.retryDelaySeconds * 1000,
      what: `try ${attempt} of ${devices(failures)} that failed`,
      wake: () => state.advance,
    });
    state.advance = false;
    const told = await tellAgain(run, attempt, failures);
    await read(run, null, null);
    // A call that was repeated says that it told nobody, though the one before it did.
    if (told === 0 && !isOnTheWay(run)) return null;
    // They are judged anew: what was excused is what the next verdict is about.
    state.excused.overall = nobodyExcused;
    const ending = await settleAll(run, rules);
    if (ending !== null) return ending;
  }
  return null;
}

/** A try that falls outside of all windows, or into a freeze, waits for their time: it is not lost. */
async function tellAgain({ state, control, recorder }: Run, attempt: number, failures: number): Promise<number> {
  const looks = growingLooks(FIRST_LOOK_MS, LONGEST_LOOK_MS);
  for (;;) {
    await recorder.settled();
    const { told, held } = await quick.retryDevices.executeWithOptions(
      { summary: `write the target state of ${devices(failures)} that failed again` },
      [{ rolloutId: state.input.rolloutId, attempt }],
    );
    if (told > 0 || held?.until == null) return told;
    const opensMs = Math.max(Date.parse(held.until) - Date.now(), 0);
    looks.waited(
      await waitActive(state, control, {
        ms: Math.min(looks.nextMs(), opensMs + 1000),
        what: `${heldSentence(held)}, for try ${attempt}`,
        untilMs: opensMs,
        wake: () => state.look,
      }),
    );
    state.look = false;
  }
}

/** Devices that were told by a command after their batch, or are being put back alone, are waited for. @throws Stopped */
export async function settleRest(run: Run, rules: RolloutRules): Promise<Ending | null> {
  const { state, control } = run;
  const looks = growingLooks((rules.rollbackTimeoutSeconds * 1000) / 4, rules.rollbackTimeoutSeconds * 1000);
  const chorePending = (): boolean => state.stop === null && state.chores.length > 0;
  // A batch that was left without devices while it was held back has not moved it on.
  state.phase = 'in_progress';
  for (;;) {
    // What a command has asked for is done before it is said that nothing is left.
    if (chorePending()) await condition(() => !chorePending());
    await read(run, null, null);
    if (isOnTheWay(run)) {
      const ending = await settleAll(run, rules);
      if (ending !== null) return ending;
    }
    const putBack = state.counts.rolling_back ?? 0;
    if (putBack === 0 && !chorePending()) return null;
    looks.waited(
      await waitActive(state, control, {
        ms: looks.nextMs(),
        what: `${devices(putBack)} to confirm that the previous image is back`,
        wake: () => state.look,
      }),
    );
    state.look = false;
  }
}

function isOnTheWay({ state }: Run): boolean {
  const { attempted, settled } = evidenceOf(state.counts);
  return attempted > settled;
}

async function settleAll(run: Run, rules: RolloutRules): Promise<Ending | null> {
  for (;;) {
    const judged = await workUntilVerdict(run, rules, { batch: null, soakSeconds: null });
    if (judged.kind !== 'fail') return null;
    const ending = await onFailure(run, rules, judged);
    if (ending !== null) return ending;
  }
}
