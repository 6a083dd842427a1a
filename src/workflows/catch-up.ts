import { planning, quick } from './activity-options';
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
  const enough = (): boolean => leftMs() <= 0 || state.advance;
  for (;;) {
    await recorder.settled();
    state.look = false;
    const { wave, deferred, tookOverFrom } = await planning.nextWave.executeWithOptions(
      { summary: 'look for devices that are back, or new' },
      [{ rolloutId }],
    );
    await wakeOthers(tookOverFrom);
    if (wave !== null) {
      state.batches = wave.number;
      const ending = await runBatch(run, plan, wave);
      if (ending !== null) return ending;
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
    const passedMs = await waitActive(state, control, {
      ms: Math.min(looks.nextMs(), leftMs()),
      what: `${devices(deferred)} that were offline to return`,
      nextRule: 'tells those that return, in waves; skips those that are not back when the time is up',
      untilMs: leftMs(),
      wake: () => state.look || state.advance,
    });
    looks.waited(passedMs);
  }
}
