import { heartbeat, sleep } from '@temporalio/activity';
import { readPushToResolve, recordResolution, type PushToResolve } from '../db/resolve-push';
import {
  absentReason,
  describeResolution,
  heldReason,
  resolutionObstacle,
  resolutionOf,
  type TagSaid,
} from '../domain/resolution';
import type { TagAnswer, UnknownReason } from '../registry-client/answers';
import type { ActivityDeps } from './deps';
import { rolloutMissing } from './failures';

/** `said` is for people; null where there is nothing to say. */
export type ResolveResult =
  | { outcome: 'goes_on'; said: string | null }
  | { outcome: 'absent'; reason: string }
  /** What was pushed must not be told to anybody. */
  | { outcome: 'unfit'; reason: string };

type Registries = NonNullable<ActivityDeps['registries']>;

/** No rollout waits longer for one answer; what takes longer is unknown. */
const ANSWER_MS = 15_000;
/** A registry that is being restarted, or counts requests, is asked again within this; with its last answer well below the limit. */
const AGAIN_WITHIN_MS = 10_000;
const FIRST_PAUSE_MS = 1500;
const passing: readonly UnknownReason[] = ['unreachable', 'failing', 'limited'];

export function resolveActivities({ pool, registries }: ActivityDeps) {
  return {
    /**
     * Asks the image's registry what the pushed tag points to, and writes it to the rollout. Running it twice asks once (key: the
     * rollout's `resolution`), unless the first answer was that there is no such tag; a rollout that is planned, or has ended, is
     * left alone. What a registry does is never a failure: what cannot be learned is unknown. Throws RolloutNotFound. Takes a
     * quarter of a minute at most, and heartbeats between two questions.
     */
    async resolvePush(input: { rolloutId: string }): Promise<ResolveResult> {
      const { rolloutId } = input;
      const push = await readPushToResolve(pool, rolloutId);
      if (push === null) throw rolloutMissing(rolloutId);
      if (push.settled || isAnswered(push)) return resultOf(push);
      const said = await askPatiently(registries, push);
      const resolution = resolutionOf(push.digest, said, new Date());
      await recordResolution(pool, rolloutId, resolution, describeResolution(resolution, push.digest));
      // Another try of this activity may have been first.
      return resultOf((await readPushToResolve(pool, rolloutId)) ?? push);
    },
  };
}

function isAnswered({ resolution }: PushToResolve): boolean {
  return resolution !== null && resolution.outcome !== 'absent';
}

function resultOf({ image, tag, digest, rules, resolution, hold, settled }: PushToResolve): ResolveResult {
  if (resolution === null) return { outcome: 'goes_on', said: null };
  const said = describeResolution(resolution, digest);
  // With a plan, devices may have been told: only the plan's own rules end it then.
  if (settled) return { outcome: 'goes_on', said };
  if (resolution.outcome === 'absent') return { outcome: 'absent', reason: absentReason(image, tag) };
  if (hold !== null) return { outcome: 'unfit', reason: heldReason(image, tag, hold) };
  const obstacle = resolutionObstacle(resolution, { image, tag, wanted: rules.platforms ?? [] });
  return obstacle === null ? { outcome: 'goes_on', said } : { outcome: 'unfit', reason: obstacle };
}

/** What passes soon, as when a registry is restarted, is waited for a little. */
async function askPatiently(registries: Registries | undefined, push: PushToResolve): Promise<TagSaid> {
  if (registries === undefined) return { kind: 'unknown', why: 'this worker asks no registries' };
  const startedMs = Date.now();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    const answer = await askInTime(registries, push, ANSWER_MS - (Date.now() - startedMs));
    if (answer.kind !== 'unknown' || !passing.includes(answer.reason)) return answer;
    const waitMs = Math.max(pauseMs, (answer.retryAfterSeconds ?? 0) * 1000);
    if (Date.now() - startedMs + waitMs > AGAIN_WITHIN_MS) return answer;
    heartbeat(answer.why);
    await sleep(waitMs);
  }
}

/** The client bounds each question, but not how many are before this one. */
async function askInTime(registries: Registries, { image, tag }: PushToResolve, ms: number): Promise<TagAnswer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<TagAnswer>((resolve) => {
    const why = `its registry did not answer within ${ANSWER_MS / 1000} s`;
    timer = setTimeout(() => resolve({ kind: 'unknown', reason: 'unclear', why }), ms);
  });
  try {
    // An older answer may be of the time before the push.
    return await Promise.race([registries.resolveTag(image, tag, { maxAgeMs: 0 }), late]);
  } finally {
    clearTimeout(timer);
  }
}
