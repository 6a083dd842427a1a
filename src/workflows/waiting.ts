import { CancellationScope, condition } from '@temporalio/workflow';
import type { Control } from './control';
import type { RolloutState } from './state';

/** Thrown inside the story, and caught there, when an operator or a newer push ends it early. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** @throws Stopped when the rollout is to stop. */
export function checkStop(state: RolloutState): void {
  if (state.stop !== null) throw new Stopped();
}

/** Waits until a pause is over; returns at once when there is none. @throws Stopped */
export async function whileRunning(state: RolloutState): Promise<void> {
  checkStop(state);
  if (state.paused) await condition(() => !state.paused || state.stop !== null);
  checkStop(state);
}

export interface ActiveWait {
  ms: number;
  what: string;
  nextRule?: string;
  /** Shown as the end of the wait where it is another moment than the next look; null where there is none. */
  untilMs?: number | null;
  wake?: () => boolean;
}

/**
 * Waits for `ms` of time in which the rollout was not paused, or until `wake`: every clock stands still during a pause.
 * @returns the unpaused time that went by. @throws Stopped
 */
export async function waitActive(state: RolloutState, control: Control, wait: ActiveWait): Promise<number> {
  const wake = wait.wake ?? (() => false);
  const since = state.waiting?.what === wait.what ? state.waiting.since : Date.now();
  let passed = 0;
  while (passed < wait.ms && !wake()) {
    await whileRunning(state);
    const started = Date.now();
    const untilMs = wait.untilMs === undefined ? wait.ms : wait.untilMs;
    state.waiting = {
      what: wait.what,
      since,
      until: untilMs === null ? null : started + untilMs - passed,
      nextRule: wait.nextRule ?? null,
    };
    control.show();
    await condition(() => state.paused || state.stop !== null || wake(), wait.ms - passed, {
      summary: `wait for ${wait.what}`,
    });
    passed += Date.now() - started;
    state.waitedMs += Date.now() - started;
    checkStop(state);
  }
  await whileRunning(state);
  return passed;
}

export interface Looks {
  /** How long to wait for the next look that no signal asks for. */
  nextMs(): number;
  /** After a wait: only a look that no signal asked for makes the next one rarer. */
  waited(passedMs: number): void;
}

/** Signals tell the news; without one it is looked ever more rarely, so that a long wait has a short history. */
export function growingLooks(firstMs: number, longestMs: number): Looks {
  let ms = Math.min(firstMs, longestMs);
  return {
    nextMs: () => ms,
    waited(passedMs) {
      if (passedMs >= ms) ms = Math.min(ms * 2, longestMs);
    },
  };
}

/** An activity, or whatever else can be cancelled. */
type Work<T> = () => Promise<T>;

/** A stop does not wait for the activity: what that still writes is put back or left, by the state it finds. @throws Stopped */
export async function untilStopped<T>(state: RolloutState, work: Work<T>): Promise<T> {
  const scope = new CancellationScope();
  let over = false;
  const result = scope.run(work).finally(() => {
    over = true;
  });
  await Promise.race([result, condition(() => over || state.stop !== null)]);
  if (state.stop !== null) {
    result.catch(() => undefined);
    scope.cancel();
  }
  checkStop(state);
  return result;
}
