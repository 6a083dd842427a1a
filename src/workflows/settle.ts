import type { RolloutRules } from '../domain/rules';
import { evidenceOf, nextRule, verdict, type Evidence, type StatusCounts, type Verdict } from '../domain/verdict';
import { quick } from './activity-options';
import type { Control } from './control';
import type { Recorder } from './recorder';
import { recordWords } from './words';
import type { RolloutState } from './state';
import { checkStop, waitActive } from './waiting';

/** Signals tell the news; without one a batch is looked at after a quarter of its time, then ever more rarely. */
const FIRST_LOOK = 1 / 4;
const SHORTEST_WAIT_MS = 50;

/** A verdict that is decided, with the counts of the batch that it was made from. */
export type Judged = Exclude<Verdict, { kind: 'wait' }> & { counts: StatusCounts };

/**
 * Waits until a batch's verdict is decided: by signals that its outcome may have changed, by the timer as a safety net, and
 * at the latest by the deadline, which turns what is not settled into failures. Clocks stand still while paused.
 * `batch` null judges all devices at once, as after a retry. @throws Stopped
 */
export async function settle(
  state: RolloutState,
  control: Control,
  recorder: Recorder,
  rules: RolloutRules,
  scope: { batch: number | null; counts: StatusCounts; soakSeconds?: number | null },
): Promise<Judged> {
  let leftMs = rules.healthTimeoutSeconds * 1000;
  let lookMs = leftMs * FIRST_LOOK;
  let soakDueMs: number | null = null;
  // All devices at once come from several batches: each has the soak of its own.
  let soakSeconds = scope.batch === null ? null : (scope.soakSeconds ?? rules.soakSeconds);
  let evidence = evidenceOf(scope.counts);
  const atOnce = verdict(evidence, evidenceOf(state.counts), rules);
  if (atOnce.kind !== 'wait') return { ...atOnce, counts: scope.counts };
  const count = scope.batch === null ? 'count all devices' : `batch ${scope.batch}: count its devices`;
  for (;;) {
    const ms = Math.max(soakDueMs ?? (leftMs > 0 ? Math.min(lookMs, leftMs) : lookMs), SHORTEST_WAIT_MS);
    const open = evidence.attempted - evidence.settled;
    const passedMs = await waitActive(state, control, {
      ms,
      what: `${soakDueMs === null ? 'health' : 'the soak'} of ${open} ${open === 1 ? 'device' : 'devices'}`,
      nextRule: nextRule(evidence, rules),
      untilMs: soakDueMs ?? Math.max(leftMs, 0),
      wake: () => state.look || state.advance,
    });
    leftMs -= passedMs;
    // Only a look that no signal asked for makes the next one rarer.
    if (passedMs >= lookMs) lookMs *= 2;
    if (state.advance) soakSeconds = 0;
    state.look = state.advance = false;
    await recordWords(control);
    checkStop(state);
    // A resume moves the soak on by the length of the pause: that must be written before the soak is judged.
    await recorder.settled();

    const deadlinePassed = leftMs <= 0;
    const seen = await quick.readHealth.executeWithOptions(
      { summary: deadlinePassed ? `${count}, the time is up` : count },
      [{ rolloutId: state.input.rolloutId, batch: scope.batch, soakSeconds, deadlinePassed }],
    );
    checkStop(state);
    evidence = evidenceOf(seen.batch);
    state.counts = seen.overall;
    control.show();
    const judged = verdict(evidence, evidenceOf(seen.overall), rules);
    if (judged.kind !== 'wait') return { ...judged, counts: seen.batch };
    soakDueMs = onlySoaking(evidence) && seen.soakDueSeconds !== null ? seen.soakDueSeconds * 1000 : null;
  }
}

function onlySoaking(evidence: Evidence): boolean {
  return evidence.soaking > 0 && evidence.settled + evidence.soaking === evidence.attempted;
}
