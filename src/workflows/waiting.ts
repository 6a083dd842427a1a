import { condition } from '@temporalio/workflow';
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
  /** Shown as the end of the wait where it is another moment than the next look. */
  untilMs?: number;
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
    state.waiting = {
      what: wait.what,
      since,
      until: started + (wait.untilMs ?? wait.ms) - passed,
      nextRule: wait.nextRule ?? null,
    };
    control.show();
    await condition(() => state.paused || state.stop !== null || wake(), wait.ms - passed, {
      summary: `wait for ${wait.what}`,
    });
    passed += Date.now() - started;
    checkStop(state);
  }
  await whileRunning(state);
  return passed;
}
