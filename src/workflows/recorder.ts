import { CancellationScope, condition } from '@temporalio/workflow';
import { quick } from './activity-options';
import { statusOf, viewOf, type RolloutState } from './state';

/** Events written by one activity: keeps a payload small even when thousands of signals arrive at once. */
const EVENTS_A_CALL = 100;

export interface Recorder {
  /** Resolves when everything noted so far is in the database. */
  settled(): Promise<void>;
  /** Writes what is left and stops. */
  end(): Promise<void>;
}

/**
 * Writes the state and its events to the database beside the story, one call at a time and numbered, so that a pause is
 * known there at once: the statement that writes target state looks at it before each chunk.
 */
export function startRecorder(state: RolloutState): Recorder {
  let seq = 0;
  let ended = false;
  let writing = false;
  const idle = (): boolean => state.unrecorded.length === 0 && !writing;

  /** Grows by the workflow's clock, so that it goes on growing after a reset in Temporal has taken steps back. */
  function nextSeq(): number {
    seq = Math.max(seq + 1, Date.now());
    return seq;
  }

  async function run(): Promise<void> {
    for (;;) {
      await condition(() => ended || state.unrecorded.length > 0);
      if (state.unrecorded.length === 0) return;
      writing = true;
      const events = state.unrecorded.splice(0, EVENTS_A_CALL);
      const input = {
        rolloutId: state.input.rolloutId,
        seq: nextSeq(),
        status: statusOf(state),
        progress: { ...viewOf(state) },
        events,
      };
      await quick.recordProgress.executeWithOptions(
        {
          summary: `record ${events
            .map((event) => event.type)
            .slice(0, 3)
            .join(', ')}`,
        },
        [input],
      );
      writing = false;
    }
  }

  // Cancelling the workflow must not lose what was noted.
  const running = CancellationScope.nonCancellable(run);
  return {
    async settled() {
      await condition(idle);
    },
    async end() {
      ended = true;
      await running;
    },
  };
}
