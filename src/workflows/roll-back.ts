import type { FinishRolloutInput } from '../activities/record';
import type { RolloutRules } from '../domain/rules';
import { evidenceOf, type StatusCounts } from '../domain/verdict';
import { chunked, quick } from './activity-options';
import { devices, type Run } from './run';
import { recordWords } from './words';
import { growingLooks, waitActive, Stopped } from './waiting';

export type Ending = Pick<FinishRolloutInput, 'status' | 'reason' | 'actor' | 'error' | 'hold'>;

const FIRST_LOOK = 1 / 4;

/**
 * Puts every device this rollout changed back on its own previous image and waits until each says so, or the rollback's own
 * deadline; with `scope` failed only the devices that failed. No batches, no soak, no pause, and no second rollback of a
 * rollback: what is not confirmed is reported.
 */
export async function rollBack(
  { state, control }: Run,
  rules: Pick<RolloutRules, 'rollbackTimeoutSeconds'>,
  why: { reason: string; actor: string; scope?: 'all' | 'failed' },
): Promise<Ending> {
  const { rolloutId } = state.input;
  const { reason, actor, scope = 'all' } = why;
  state.phase = 'rolling_back';
  state.because = why.reason;
  state.paused = false;
  // A cancel that came in the same moment wins; a rollback is what is being done.
  if (state.stop?.kind !== 'cancel') state.stop = null;
  const whom = scope === 'all' ? 'every changed device' : 'every failed device';
  state.waiting = { what: `${whom} to be put back`, since: Date.now(), until: null, nextRule: null };
  control.show();
  await chunked.restoreDevices.executeWithOptions({ summary: `put ${whom} back` }, [
    { rolloutId, reason, actor, scope },
  ]);

  let leftMs = rules.rollbackTimeoutSeconds * 1000;
  const looks = growingLooks(leftMs * FIRST_LOOK, Infinity);
  for (;;) {
    const deadlinePassed = leftMs <= 0;
    const counts = await quick.readRollback.executeWithOptions({ summary: 'count the rollback' }, [
      { rolloutId, deadlinePassed },
    ]);
    state.counts = counts;
    const open = counts.rolling_back ?? 0;
    if (open === 0) return scope === 'all' ? ending(why, counts) : partlyBack(why, counts);
    try {
      const passedMs = await waitActive(state, control, {
        ms: Math.min(looks.nextMs(), Math.max(leftMs, 1000)),
        what: `${devices(open)} to confirm the rollback`,
        nextRule: 'ends rolled_back when all confirm, failed when the time is up',
        untilMs: leftMs,
        wake: () => state.look,
      });
      leftMs -= passedMs;
      looks.waited(passedMs);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      const { reason: said, actor: who } = state.stop ?? { reason: 'cancelled', actor: 'operator' };
      return {
        status: 'cancelled',
        reason: `${said}, while rolling back: ${devices(open)} had not confirmed`,
        actor: who,
        error: null,
        hold: true,
      };
    }
    state.look = false;
    await recordWords(control);
  }
}

function ending(why: { reason: string; actor: string }, counts: StatusCounts): Ending {
  const { rolled_back: restored = 0, rollback_failed: unconfirmed = 0, superseded = 0 } = counts;
  // A device that a newer rollout took when it was healthy, or had failed, keeps that state.
  const left = superseded + evidenceOf(counts).settled;
  if (unconfirmed > 0) {
    const error = `${unconfirmed} ${unconfirmed === 1 ? 'device was' : 'devices were'} put back but did not confirm it in time: list them with status=rollback_failed`;
    return { status: 'failed', reason: why.reason, actor: why.actor, error, hold: true };
  }
  const others = left === 0 ? '' : `, ${left} left to a newer rollout or to somebody's change`;
  const nobody = restored + left === 0;
  const reason = nobody
    ? `${why.reason}; nobody had been told, so nobody had to be put back`
    : `${why.reason}; ${devicesAre(restored)} back on ${restored === 1 ? 'its' : 'their'} own previous image${others}`;
  return { status: 'rolled_back', reason, actor: why.actor, error: null, hold: true };
}

/** The healthy ones stay: that is neither a completed rollout nor one that was rolled back. */
function partlyBack(why: { reason: string; actor: string }, counts: StatusCounts): Ending {
  const { completed: healthy = 0, rolled_back: restored = 0, rollback_failed: unconfirmed = 0 } = counts;
  const open = unconfirmed === 0 ? '' : `, ${unconfirmed} put back without confirming it (status=rollback_failed)`;
  const error = `of the devices that failed, ${restored} ${restored === 1 ? 'is' : 'are'} back on the previous image${open}; ${healthy} healthy keep the new one`;
  return { status: 'failed', reason: why.reason, actor: why.actor, error, hold: true };
}

function devicesAre(count: number): string {
  return `${devices(count)} ${count === 1 ? 'is' : 'are'}`;
}
