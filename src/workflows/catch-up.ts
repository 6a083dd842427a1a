import { planning, quick } from './activity-options';
import { judgeSoFar } from './on-failure';
import type { Ending } from './roll-back';
import { devices, type Plan, type Run } from './run';
import { runBatch } from './run-batch';
import { takenOver } from './state';
import { growingLooks, waitActive } from './waiting';
import { wakeOthers } from './wake';
import { read } from './work';

const HOUR_MS = 60 * 60 * 1000;
const FIRST_LOOK_MS = 60_000;
/** However long it lasts, the waiting has some hundred looks. */
const LOOKS = 96;

/**
 * After the last batch: devices that were offline at their turn, and those that appeared since the plan, go in capped waves as
 * they return, each under the same verdict as a batch; who has not returned in time is skipped. A signal tells that one is
 * back; `advance` ends the waiting. @throws Stopped
 */
export async function catchUp(run: Run, plan: Plan): Promise<Ending | null> {
  const { state, control, recorder } = run;
  const { rolloutId } = state.input;
  const allMs = plan.rules.catchUpHours * HOUR_MS;
  // The waits of the waves count too: a device that is seen by day only, with a window by night, would be waited for for ever.
  const untilMs = state.waitedMs + allMs;
  const leftMs = (): number => untilMs - state.waitedMs;
  const looks = growingLooks(FIRST_LOOK_MS, Math.max(allMs / LOOKS, FIRST_LOOK_MS));
  state.advance = false;
  state.phase = 'in_progress';
  // A signal says that one is back: more may follow, and a wave is not made of each. A timer takes who is there.
  let patient = false;
  const enough = (): boolean => leftMs() <= 0 || state.advance;
  for (;;) {
    await recorder.settled();
    state.look = false;
    const { wave, deferred, tookOverFrom } = await planning.nextWave.executeWithOptions(
      { summary: 'look for devices that are back, or new' },
      [{ rolloutId, patient }],
    );
    await wakeOthers(tookOverFrom);
    if (wave !== null) {
      state.batches = wave.number;
      const ending = await runBatch(run, plan, wave);
      if (ending !== null) return ending;
      state.phase = 'in_progress';
      continue;
    }
    if (deferred === 0 || takenOver(state)) return null;
    if (enough()) {
      await quick.skipDeferred.executeWithOptions({ summary: `skip ${devices(deferred)} that did not return` }, [
        { rolloutId },
      ]);
      await read(run, null, null);
      return null;
    }
    await read(run, null, null);
    const failed = await judgeSoFar(run, plan.rules);
    if (failed !== null) return failed;
    const ms = Math.min(looks.nextMs(), leftMs());
    const passedMs = await waitActive(state, control, {
      ms,
      what: `${devices(deferred)} that were offline to return`,
      nextRule: 'tells those that return, in waves; skips those that are not back when the time is up',
      untilMs: leftMs(),
      wake: () => state.look || state.advance,
    });
    looks.waited(passedMs);
    patient = passedMs < ms;
  }
}
