import { ActivityCancellationType } from '@temporalio/workflow';
import type { ApplyBatchResult } from '../activities/apply';
import type { ReadHealthResult } from '../activities/judge';
import { endedInDatabase } from '../domain/lost-push';
import type { RolloutRules } from '../domain/rules';
import {
  evidenceOf,
  nextRule,
  stillExcused,
  verdict,
  withoutExcused,
  type Evidence,
  type Excused,
  type Verdict,
} from '../domain/verdict';
import type { Held } from '../domain/write-permit';
import { chunked, quick } from './activity-options';
import { heldSentence } from './held';
import { devices, type Run } from './run';
import type { RolloutState } from './state';
import { checkStop, growingLooks, untilStopped, waitActive, whileRunning } from './waiting';
import { recordWords } from './words';

/** A verdict that is decided, with the counts of the batch that it was made from. */
export type Judged = Exclude<Verdict, { kind: 'wait' }> & { counts: ReadHealthResult['batch'] };

/** Without a signal a batch is looked at after a quarter of its time, then ever more rarely. */
const FIRST_LOOK = 1 / 4;
/** A freeze may end early, and a signal that says so may be lost. */
const LONGEST_LOOK_MS = 24 * 60 * 60 * 1000;
/** The database's clock and the workflow's differ by a little: a look at the very moment would come too soon. */
const MARGIN_MS = 50;
const TOO_EARLY_MS = 500;
/** Devices whose window never opens are not waited for without end. */
const NEVER_OPENS_MS = 7 * 24 * 60 * 60 * 1000;
/** How soon a batch that was held back in the middle is tried again. */
const HELD_BACK_MS = 5000;

interface Seen extends ReadHealthResult {
  held: Held | null;
}

export interface WorkScope {
  /** Null: nobody is told, and all devices of all batches are judged at once. */
  batch: number | null;
  /** Null gives each device the soak of its own batch. */
  soakSeconds: number | null;
  /** It had failed before the workflow was started again: nobody is told before it is judged. */
  judgeFirst?: boolean;
}

/**
 * Tells the devices of a batch, as soon as their windows and freezes let it, and waits until its verdict is decided: by signals
 * that its outcome may have changed, by the timer as a safety net, at the latest by the devices' own deadlines, which turn what
 * is not settled into failures. Clocks stand still while paused. @throws Stopped
 */
export async function workUntilVerdict(run: Run, rules: RolloutRules, scope: WorkScope): Promise<Judged> {
  const { state, control, recorder } = run;
  const looks = growingLooks(rules.healthTimeoutSeconds * 1000 * FIRST_LOOK, LONGEST_LOOK_MS);
  let neverMs = 0;
  if (scope.batch !== null) {
    const what = `the target state of batch ${scope.batch} to be written`;
    state.waiting = { what, since: Date.now(), until: null, nextRule: null };
    control.show();
  }
  let seen =
    scope.batch === null || scope.judgeFirst === true
      ? await read(run, scope.batch, scope.soakSeconds)
      : await tell(run, rules, scope.batch);
  if (scope.judgeFirst === true && scope.batch !== null && judge(state, seen, rules, scope) === null)
    seen = await tell(run, rules, scope.batch);
  for (;;) {
    const judged = judge(state, seen, rules, scope);
    if (judged !== null) return { ...judged, counts: seen.batch };
    const evidence = evidenceOf(seen.batch);
    enter(run, seen, evidence);
    const due = dueMs(seen, evidence);
    const passedMs = await waitActive(state, control, {
      ms: Math.min(due ?? Infinity, looks.nextMs()),
      what: waitsFor(seen, evidence),
      nextRule:
        evidence.attempted === 0
          ? 'tells these devices when it comes, then judges the batch'
          : nextRule(withoutExcused(evidence, excusedIn(state, scope)), rules),
      untilMs: due,
      wake: () => state.look || state.advance,
    });
    looks.waited(passedMs);
    neverMs = due === null && seen.held !== null ? neverMs + passedMs : 0;
    if (neverMs >= NEVER_OPENS_MS)
      state.stop = {
        kind: 'cancel',
        reason: `for 7 days it waited for ${waitsFor(seen, evidence)}`,
        actor: 'fleetwave',
      };
    const soakSeconds = state.advance ? endSoak(run, evidence) : scope.soakSeconds;
    state.look = state.advance = false;
    await recordWords(control);
    checkStop(state);
    // A resume moves soaks and deadlines on by the length of the pause: that must be written before they are judged.
    await recorder.settled();
    seen = { ...(await read(run, scope.batch, soakSeconds)), held: seen.held };
    // What has failed by now is judged before anybody else is told.
    if (scope.batch !== null && (seen.batch.pending ?? 0) > 0 && judge(state, seen, rules, scope) === null)
      seen = { ...seen, ...(await tell(run, rules, scope.batch)) };
  }
}

/** For one look: the devices that soak by now are healthy; those that are still on their way have their soak before them. */
function endSoak({ control }: Run, { soaking }: Evidence): number {
  control.remark(soaking === 0 ? 'advance: no device soaked' : `advance: the soak of ${devices(soaking)} has ended`);
  control.note('rollout.soak_ended', { data: { devices: soaking } });
  return 0;
}

function excusedIn({ excused }: RolloutState, { batch }: WorkScope): Excused {
  return batch === null ? excused.overall : excused.batch;
}

function judge(
  state: RolloutState,
  seen: Seen,
  rules: RolloutRules,
  scope: WorkScope,
): Exclude<Verdict, { kind: 'wait' }> | null {
  const batch = withoutExcused(evidenceOf(seen.batch), excusedIn(state, scope));
  const overall = withoutExcused(evidenceOf(seen.overall), state.excused.overall);
  const judged = verdict(batch, overall, rules);
  if (judged.kind === 'wait') return null;
  const causes = judged.rule === 'rollout_failure_rate' ? seen.causes?.overall : seen.causes?.batch;
  return judged.kind === 'fail' ? { ...judged, explanation: because(judged.explanation, causes) } : judged;
}

/** The failed verdict over those who were told, who make up their batch as if nobody else were still to be told; or null. */
export async function failureAmongTold(run: Run, rules: RolloutRules): Promise<Judged | null> {
  const { batch } = run.state;
  const seen = await read(run, batch, null);
  const told = { ...seen, batch: { ...seen.batch, pending: 0 }, overall: { ...seen.overall, pending: 0 } };
  const judged = judge(run.state, told, rules, { batch, soakSeconds: null });
  return judged?.kind === 'fail' ? { ...judged, counts: seen.batch } : null;
}

/** What fired, and what the devices say of it. */
export function because(explanation: string, causes: string | null | undefined): string {
  return causes == null ? explanation : `${explanation}: ${causes}`;
}

/** While some are on their way it is in progress; while all that is left waits for its time, scheduled. */
function enter({ state, control }: Run, { held }: Seen, evidence: Evidence): void {
  const phase = held !== null && evidence.settled === evidence.attempted ? 'scheduled' : 'in_progress';
  if (phase === state.phase) return;
  state.phase = phase;
  if (phase === 'scheduled' && held !== null)
    control.note('rollout.scheduled', { reason: heldSentence(held), data: { until: held.until } });
  else control.note('rollout.in_progress');
}

/** The moment at which something is decided by time alone. */
function dueMs({ held, soakDueSeconds, deadlineSeconds }: Seen, evidence: Evidence): number | null {
  const onTheirWay = evidence.attempted - evidence.settled - evidence.soaking;
  const opens = held?.until == null ? null : Math.max(Date.parse(held.until) - Date.now(), 0);
  const ends = onTheirWay > 0 ? deadlineSeconds : (soakDueSeconds ?? deadlineSeconds);
  const own = ends === null ? null : Math.max(ends * 1000, 0);
  if (opens === null && own === null) return null;
  // What was due already was looked at too early: the clocks differ by more than the margin.
  return Math.max(Math.min(opens ?? Infinity, own ?? Infinity) + MARGIN_MS, TOO_EARLY_MS);
}

function waitsFor({ held }: Seen, evidence: Evidence): string {
  const open = evidence.attempted - evidence.settled;
  const soaking = open > 0 && open === evidence.soaking;
  const own = open === 0 ? null : `${soaking ? 'the soak' : 'health'} of ${devices(open)}`;
  if (held === null) return own ?? 'devices to be put back';
  return own === null ? heldSentence(held) : `${own}, and ${heldSentence(held)}`;
}

/** Moves on what time decides, and counts. @throws Stopped */
export async function read({ state, control }: Run, batch: number | null, soakSeconds: number | null): Promise<Seen> {
  const summary = batch === null ? 'count all devices' : `batch ${batch}: count its devices`;
  const seen = await quick.readHealth.executeWithOptions({ summary }, [
    { rolloutId: state.input.rolloutId, batch, soakSeconds },
  ]);
  checkStop(state);
  state.counts = seen.overall;
  state.causes = seen.causes?.overall ?? null;
  const { overall, batch: ofBatch } = state.excused;
  state.excused = {
    overall: stillExcused(evidenceOf(seen.overall), overall),
    batch: batch === null ? ofBatch : stillExcused(evidenceOf(seen.batch), ofBatch),
  };
  control.show();
  return { ...seen, held: null };
}

/** Tells until nobody is left who may be told: a pause in the middle stops the activity, a resume goes on. */
async function tell(run: Run, rules: RolloutRules, batch: number): Promise<Seen> {
  const { state, control, recorder } = run;
  for (;;) {
    await whileRunning(state);
    await recorder.settled();
    const result = await untilStopped(state, () => apply(run, batch));
    state.counts = result.overall;
    state.causes = result.causes?.overall ?? null;
    control.show();
    if (result.done) {
      const onTheirWay = evidenceOf(result.batch).attempted > evidenceOf(result.batch).settled;
      return { ...result, soakDueSeconds: null, deadlineSeconds: onTheirWay ? rules.healthTimeoutSeconds : null };
    }
    if (result.ended) {
      state.stop = { kind: 'cancel', reason: endedInDatabase, actor: 'fleetwave' };
      checkStop(state);
    }
    // Held back by what the database says; if no pause explains it, it is not asked again in a tight loop.
    await waitActive(state, control, {
      ms: HELD_BACK_MS,
      what: 'the rollout to be allowed to go on',
      wake: () => state.paused,
    });
  }
}

function apply({ state }: Run, batch: number): Promise<ApplyBatchResult> {
  return chunked.applyBatch.executeWithOptions(
    {
      summary: `batch ${batch}: write the target state of its devices`,
      cancellationType: ActivityCancellationType.TRY_CANCEL,
    },
    [{ rolloutId: state.input.rolloutId, batch }],
  );
}
