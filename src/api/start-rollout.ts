import type { Pool } from 'pg';
import { finishRollout } from '../db/finish';
import { markStarted, postponeStart, standingAgainst, type PendingRollout, type Standing } from '../db/outbox';
import { rollbackWorkflowId } from '../domain/ids';
import { rollbackWorkflowType, supersedeSignal, type Resumed } from '../workflows/messages';
import type { RunningRollout, StartRequest, TemporalGateway } from './temporal';

/** How soon a rollout asks again whether the run before it has ended. */
const WAIT_FOR_OLDER_RUN_MS = 1000;
/** The same for one that is queued: the end of the run before it makes it due at once (migrations/0009). */
const QUEUED_MS = 5000;
/** Nothing waits for ever: by then the rollout before it has been forgotten, and its devices have not been offline for so long. */
const LONGEST_QUEUED_MS = 7 * 86_400_000;

export interface StartDeps {
  pool: Pool;
  temporal: TemporalGateway;
}

/**
 * Starts the workflow of an accepted rollout, or finds it started already by a process that died before it could note so.
 * Where an older revision's run holds the workflow id, that run is asked to give way, once, and this rollout waits for it.
 * Where a newer one's does, this rollout is what gives way: a slow process may still hold what was overtaken meanwhile.
 * Under `queue` nobody is asked to give way but who still waits for its push to be old enough, and the wait is bounded.
 */
export async function startRollout(
  { pool, temporal }: StartDeps,
  rollout: PendingRollout,
): Promise<'started' | 'waiting' | 'overtaken' | 'given_up'> {
  const started = await temporal.start(startRequest(rollout));
  if (started !== 'already_running') {
    await markStarted(pool, rollout, started.runId);
    return 'started';
  }
  const running = await temporal.runningRollout(rollout.workflowId);
  if (running?.rolloutId === rollout.id) {
    await markStarted(pool, rollout, running.runId);
    return 'started';
  }
  const standing = await standingAgainst(pool, rollout.id, running?.rolloutId ?? null);
  if (standing.is === 'ended') return 'overtaken';
  if (standing.is === 'older') {
    const reason = `a newer push of the tag runs already (${running?.rolloutId ?? ''})`;
    await finishRollout(pool, {
      ...{ rolloutId: rollout.id, status: 'superseded', reason },
      ...{ actor: 'fleetwave', error: null, hold: false },
    });
    return 'overtaken';
  }
  if (rollout.onNewer === 'queue' && !standing.otherIsYoung) return waitInQueue(pool, rollout, running, standing);
  // The text is the memory of having asked: it survives this process and is what an operator sees in the row.
  const waiting = `waits for the run of rollout ${running?.rolloutId ?? '(unknown)'} to end`;
  if (running !== undefined && rollout.lastError !== waiting) {
    // To that run alone: by the time it arrives, the id may belong to a rollout that is newer than this one.
    await temporal.signal(rollout.workflowId, supersedeSignal.name, { rolloutId: rollout.id }, running.runId);
  }
  await postponeStart(pool, rollout.id, waiting, WAIT_FOR_OLDER_RUN_MS);
  return 'waiting';
}

/** The words are what an operator reads, and what tells a queued row apart in migrations/0009. */
async function waitInQueue(
  pool: Pool,
  { id, image, tag, ageMs }: PendingRollout,
  running: RunningRollout | undefined,
  { otherHasEnded }: Standing,
): Promise<'waiting' | 'given_up'> {
  const ahead = `rollout ${running?.rolloutId ?? '(unknown)'} (${image}:${tag})`;
  if (ageMs < LONGEST_QUEUED_MS) {
    const closing = otherHasEnded || running === undefined;
    await postponeStart(pool, id, `queued behind ${ahead}`, closing ? WAIT_FOR_OLDER_RUN_MS : QUEUED_MS);
    return 'waiting';
  }
  const remedy = `cancel that one, then start this again with POST /api/v1/images/trigger-update and "force": true`;
  await finishRollout(pool, {
    ...{
      rolloutId: id,
      status: 'cancelled',
      reason: `queued for 7 days behind ${ahead}, which has not ended: ${remedy}`,
    },
    ...{ actor: 'fleetwave', error: null, hold: false },
  });
  return 'given_up';
}

function startRequest(rollout: PendingRollout): StartRequest {
  const { id, image, tag, digest, attempt, strategy, trigger, actor, workflowId, oldEnoughAt } = rollout;
  if (workflowId === rollbackWorkflowId(id)) return rollbackRequest(rollout);
  const origin = trigger === 'webhook' ? 'from webhook' : trigger === 'reconcile' ? 'found at its registry' : 'by hand';
  const { revision, imageName, pushedAt } = rollout;
  const resumed = resumedFrom(rollout);
  return {
    workflowId,
    input: {
      ...{ rolloutId: id, image, tag },
      ...(oldEnoughAt === null ? {} : { oldEnoughAt: oldEnoughAt.toISOString() }),
      ...(resumed === undefined ? {} : { resumed }),
    },
    push: { revision, digest, pushedAt: pushedAt?.toISOString() ?? null, imageName, trigger, actor, attempt },
    // The UI's list takes 200 bytes; image and tag alone may be longer than that.
    summary: `${image}:${tag}, ${strategy}, ${origin}`.slice(0, 200),
    details: [
      `Rollout \`${id}\`, attempt ${String(attempt)}, started by ${actor}.`,
      // Without an empty line the UI shows the list as one paragraph.
      '',
      `- image: \`${image}:${tag}\``,
      `- digest: ${digest === null ? 'not told by the sender' : `\`${digest}\``}`,
    ].join('\n'),
  };
}

/** Of a rollout that starts again: as it stood by its row. */
function resumedFrom({ pausedAt, pausedBecause, rollingBack }: PendingRollout): Resumed | undefined {
  if (rollingBack !== null)
    return { rollBack: { ...rollingBack, reason: rollingBack.reason ?? 'it was rolling back' } };
  return pausedAt === null ? undefined : { paused: { since: pausedAt.toISOString(), reason: pausedBecause } };
}

/** One that had ended, and was being put back by a workflow of its own when that was lost. */
function rollbackRequest({ id, image, tag, workflowId, rollingBack }: PendingRollout): StartRequest {
  const { reason = null, actor = 'fleetwave' } = rollingBack ?? {};
  return {
    ...{ workflowId, type: rollbackWorkflowType },
    input: { rolloutId: id, image, tag, reason, actor },
    summary: `roll back ${image}:${tag}`.slice(0, 150),
    details: `Rollback of rollout \`${id}\`, started again.`,
  };
}
