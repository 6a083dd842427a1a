import { readDevicePart, readLeftToPutBack } from '../db/put-back-facts';
import type { RolloutRow } from '../db/rollouts-read';
import { commandEffect } from '../domain/commands';
import { rollbackWorkflowId } from '../domain/ids';
import { deviceRollbackEffect, nothingToPutBack } from '../domain/put-back';
import { deviceRollbackWorkflowType, rollbackWorkflowType, type RollbackInput } from '../workflows/messages';
import type { ApiDeps } from './deps';
import { endIfLost } from './lost-rollouts';
import { HttpProblem } from './problem';
import { findRollout } from './rollouts';
import type { StartRequest } from './temporal';

/** Who asks, and why. */
export interface Asked {
  actor: string;
  reason?: string;
}

/** True while a rollout that had ended is being put back by a workflow of its own. */
export function isReopened({ id, ended_at, workflow_id }: RolloutRow): boolean {
  return ended_at === null && workflow_id === rollbackWorkflowId(id);
}

/**
 * Starts the rollback of a rollout that has ended. When this returns, Temporal has it: a process that dies before it answers
 * loses nothing, and whoever asks again reads that it is under way.
 * @returns what it does. @throws HttpProblem 409 where there is nothing to put back, or it is being put back already.
 */
export async function rollBackEnded(deps: ApiDeps, rollout: RolloutRow, asked: Asked): Promise<string> {
  const { id } = rollout;
  if (isReopened(rollout)) {
    // A workflow that somebody terminated puts nothing back any more: whoever asks starts another one.
    if (await endIfLost(deps, id)) return rollBackEnded(deps, await findRollout(deps, id), asked);
    return effectFor('rolling_back');
  }
  const effect = effectFor(rollout.status);
  const nothing = nothingToPutBack(await readLeftToPutBack(deps.pool, id));
  if (nothing !== null) throw doesNotApply(nothing);
  const workflowId = rollbackWorkflowId(id);
  const request = startRequest(rollout, asked, { workflowId, type: rollbackWorkflowType });
  const started = await deps.temporal.start({ ...request, summary: `${request.summary}, after its end` });
  if (started !== 'already_running') return effect;
  await requireNotClosing(deps, id, workflowId);
  return effectFor('rolling_back');
}

/** What the table of commands says of `rollback` in this state. @throws HttpProblem 409 where that is nothing. */
function effectFor(status: RolloutRow['status']): string {
  const effect = commandEffect('rollback', status);
  if (!effect.applies) throw doesNotApply(effect.why);
  return effect.effect;
}

/** A run that has ended its rollback, and is about to close, does not do it once more. */
async function requireNotClosing(deps: ApiDeps, id: string, workflowId: string): Promise<void> {
  const { ended_at, workflow_id, run_id } = await findRollout(deps, id);
  if (ended_at === null || workflow_id !== workflowId) return;
  const running = await deps.temporal.runningRollout(workflowId);
  if (running !== undefined && running.runId !== run_id) return;
  throw new HttpProblem(
    503,
    'workflow-closing',
    'the rollback before this one has just ended: repeat the command in a moment',
    {
      headers: { 'retry-after': '1' },
    },
  );
}

/**
 * What the rollback of one device comes to.
 * @throws HttpProblem 404 where the device has no part in the rollout, 409 where there is nothing to put back.
 */
export async function deviceRollback({ pool }: ApiDeps, rollout: RolloutRow, deviceUuid: string): Promise<string> {
  const part = await readDevicePart(pool, rollout.id, deviceUuid);
  if (part === null)
    throw new HttpProblem(404, 'device-not-in-rollout', `device ${deviceUuid} has no part in rollout ${rollout.id}`);
  const effect = deviceRollbackEffect(part, rollout.status);
  if (!effect.applies) throw doesNotApply(effect.why);
  return effect.effect;
}

/**
 * Starts the rollback of one device of a rollout that has ended.
 * @throws HttpProblem 409 while one runs: only Temporal knows, as a device that a cancelled one left behind looks the same.
 */
export async function rollBackDeviceOfEnded(
  deps: ApiDeps,
  rollout: RolloutRow,
  deviceUuid: string,
  asked: Asked,
): Promise<void> {
  const workflowId = rollbackWorkflowId(rollout.id, deviceUuid);
  const request = startRequest(rollout, asked, { workflowId, type: deviceRollbackWorkflowType });
  const started = await deps.temporal.start({
    ...request,
    input: { ...request.input, deviceUuid },
    summary: `${request.summary}, device ${deviceUuid}`,
  });
  if (started === 'already_running') throw doesNotApply('it is being put back already');
}

function startRequest(
  { id, image, tag }: RolloutRow,
  { actor, reason = null }: { actor: string; reason?: string | null },
  { workflowId, type }: Pick<StartRequest, 'workflowId'> & { type: NonNullable<StartRequest['type']> },
): StartRequest & { input: RollbackInput } {
  return {
    ...{ workflowId, type },
    input: { rolloutId: id, image, tag, reason, actor },
    // The UI's list takes 200 bytes; what comes after it has at most fifty.
    summary: `roll back ${image}:${tag}`.slice(0, 150),
    details: [`Rollback of rollout \`${id}\`, asked for by ${actor}.`, '', `- image: \`${image}:${tag}\``].join('\n'),
  };
}

function doesNotApply(why: string): HttpProblem {
  return new HttpProblem(409, 'command-does-not-apply', `rollback: ${why}`);
}
