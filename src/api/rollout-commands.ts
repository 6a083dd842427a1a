import { z } from 'zod';
import { finishRollout } from '../db/finish';
import { storedPlanHash } from '../db/preview-plan';
import { readRollout } from '../db/rollout-facts';
import type { RolloutRow } from '../db/rollouts-read';
import { commandDescriptions, commandEffect, commands, type Command } from '../domain/commands';
import { jsonBody } from './body';
import type { ApiDeps } from './deps';
import { idParams, text, Uuid } from './fields';
import { PlanHash, requirePlanAmong } from './plan-hash';
import { HttpProblem } from './problem';
import { findRollout } from './rollouts';
import { route, type Answer, type Route } from './route';

const Reason = z.strictObject({ reason: text(500).optional() });
const Approval = Reason.extend({
  plan_hash: PlanHash.optional().describe('Of a preview: refused when the stored plan is another.'),
});
const Accepted = z.object({ rollout_id: Uuid, command: z.string(), effect: z.string() });
const answers = {
  202: { description: 'Sent to the workflow', schema: Accepted },
  409: { description: 'Does not apply now; `detail` says why' },
  503: { description: 'Temporal cannot be reached, or the workflow has not started yet' },
};

/** Each command is a signal of the workflow: here, in the CLI and in the Temporal UI it does the same. */
export function rolloutCommandRoutes(deps: ApiDeps): Route[] {
  return [
    ...commands.map((command) => commandRoute(deps, command, command)),
    commandRoute(deps, 'rollback-all', 'rollback'),
    ...(['retry', 'exclude'] as const).map((name) =>
      plannedRoute(`/api/v1/rollouts/:id/${name}`, `${name} on a rollout`),
    ),
    plannedRoute('/api/v1/rollouts/:id/devices/:uuid/rollback', 'rollback of a single device'),
  ];
}

function commandRoute(deps: ApiDeps, name: string, command: Command): Route {
  return route({
    method: 'post',
    path: `/api/v1/rollouts/:id/${name}`,
    tag: 'Rollouts',
    summary: commandDescriptions[command],
    access: 'operator',
    params: idParams('a rollout'),
    body: jsonBody(bodyOf(command), { optional: true }),
    answers,
    handle: async ({ params, body, actor }) => {
      const rollout = await findRollout(deps, params.id);
      const effect = commandEffect(command, rollout.status);
      if (!effect.applies) throw new HttpProblem(409, 'command-does-not-apply', `${name}: ${effect.why}`);
      if (body.plan_hash !== undefined) await requireStoredPlan(deps, rollout.id, body.plan_hash);
      if (rollout.dispatched_at === null && command === 'cancel')
        return end(deps, rollout.id, { name, effect: effect.effect }, body.reason ?? `cancelled by ${actor}`, actor);
      if (rollout.dispatched_at === null) throw notStarted(rollout);
      return send(
        deps,
        rollout,
        { name, command, effect: effect.effect },
        { actor, ...(body.reason === undefined ? {} : { reason: body.reason }) },
      );
    },
  });
}

function bodyOf(command: Command): z.ZodType<{ reason?: string | undefined; plan_hash?: string | undefined }> {
  return command === 'approve' ? Approval : Reason;
}

async function requireStoredPlan({ pool }: ApiDeps, id: string, previewed: string): Promise<void> {
  const rollout = await readRollout(pool, id);
  const stored = rollout === null ? null : await storedPlanHash(pool, rollout);
  if (stored === null)
    throw new HttpProblem(409, 'not-planned', 'the rollout is not planned yet: repeat this in a moment');
  requirePlanAmong(previewed, stored);
}

async function send(
  deps: ApiDeps,
  rollout: RolloutRow,
  { name, command, effect }: { name: string; command: Command; effect: string },
  payload: { actor: string; reason?: string },
): Promise<Answer> {
  const outcome = await deps.temporal.signal(rollout.workflow_id, command, payload);
  if (outcome === 'sent') return { status: 202, body: { rollout_id: rollout.id, command: name, effect } };
  const now = await findRollout(deps, rollout.id);
  if (now.ended_at !== null)
    throw new HttpProblem(409, 'command-does-not-apply', `${name}: the rollout has ended (${now.status})`);
  if (command === 'cancel') {
    const reason = payload.reason ?? `cancelled by ${payload.actor}; its workflow was gone`;
    return end(deps, rollout.id, { name, effect }, reason, payload.actor);
  }
  throw new HttpProblem(
    409,
    'workflow-not-running',
    `${rollout.workflow_id} is not running although the rollout has not ended: somebody terminated it; cancel ends it, or start it again with POST /api/v1/images/trigger-update and "force": true`,
  );
}

/**
 * Where there is no workflow to do it, gone or still to be started: all that a cancel does is to end the rollout as it stands.
 * A workflow that is being started at this moment finds it ended.
 */
async function end(
  { pool }: ApiDeps,
  rolloutId: string,
  { name, effect }: { name: string; effect: string },
  reason: string,
  actor: string,
): Promise<Answer> {
  await finishRollout(pool, {
    ...{ rolloutId, status: 'cancelled', reason },
    ...{ actor, error: null, hold: false },
  });
  return { status: 202, body: { rollout_id: rolloutId, command: name, effect } };
}

function notStarted({ dispatch_error }: RolloutRow): HttpProblem {
  const cause = dispatch_error === null ? '' : ` (${dispatch_error})`;
  return new HttpProblem(
    503,
    'workflow-not-started',
    `the rollout is accepted, its workflow is still to be started${cause}: repeat the command in a moment`,
    { headers: { 'retry-after': '5' } },
  );
}

/** Part of the contract that a later release brings: said in words rather than by a 404. */
function plannedRoute(path: string, what: string): Route {
  return route({
    method: 'post',
    path,
    tag: 'Rollouts',
    summary: `Not available in this release: ${what}`,
    access: 'operator',
    answers: { 501: { description: 'Not available in this release' } },
    handle: () => {
      throw new HttpProblem(501, 'not-available-yet', `${what} is not available in this release`);
    },
  });
}
