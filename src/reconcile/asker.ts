import { setTimeout as wait } from 'node:timers/promises';
import type { UnknownThing } from '../db/reconcile-rounds';
import type { Unknown, UnknownReason } from '../registry-client/answers';
import type { Looking } from './looking';

/** Asks one registry in one round: waits where it is to be left alone for a moment, and gives it up where it stays away. */
export interface Asker {
  /** `about`: an image, and a tag where it is about one. */
  ask<Answer extends { kind: string }>(
    about: { image: string; tag: string | null },
    question: () => Promise<Answer | Unknown>,
  ): Promise<Answer | Unknown>;
  /** Nothing more is asked in this round. */
  hasGivenUp(): boolean;
  /** How many answers were unknown, and the first of them. */
  readonly unknown: { count: number; first: UnknownThing[] };
}

/** For people to see what is wrong. */
const KEPT_UNKNOWNS = 20;

const failures: readonly UnknownReason[] = ['unreachable', 'failing', 'limited'];

/** What another question would meet as well. */
function isFailure({ reason }: Unknown): boolean {
  return failures.includes(reason);
}

export function createAsker({ limits, beat, signal }: Pick<Looking, 'limits' | 'beat' | 'signal'>): Asker {
  const unknown: Asker['unknown'] = { count: 0, first: [] };
  let inARow = 0;
  let givenUp: Unknown | undefined;

  function note(about: { image: string; tag: string | null }, { reason, why }: Unknown): void {
    unknown.count += 1;
    if (unknown.first.length < KEPT_UNKNOWNS) unknown.first.push({ ...about, reason, why });
  }

  return {
    unknown,
    hasGivenUp: () => givenUp !== undefined,
    async ask(about, question) {
      signal.throwIfAborted();
      beat();
      const answer = givenUp ?? (await question());
      if (!isUnknown(answer)) {
        inARow = 0;
        return answer;
      }
      note(about, answer);
      if (givenUp !== undefined || !isFailure(answer)) return answer;
      inARow += 1;
      const pauseSeconds = answer.retryAfterSeconds ?? 1;
      if (inARow >= limits.failures || pauseSeconds > limits.longestPauseSeconds) givenUp = answer;
      else await wait(pauseSeconds * 1000, undefined, { signal });
      return answer;
    },
  };
}

function isUnknown(answer: { kind: string }): answer is Unknown {
  return answer.kind === 'unknown';
}
