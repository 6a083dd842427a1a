import { z } from 'zod';
import { finishRollout } from '../db/finish';
import { storedPlan } from '../db/preview-plan';
import { countStrangers } from '../db/put-back-facts';
import { readRollout } from '../db/rollout-facts';
import type { RolloutRow } from '../db/rollouts-read';
import { commandDescriptions, commandEffect, commands, type Command } from '../domain/commands';
import { isFinal, type RolloutStatus } from '../domain/rollout-states';
import type { CommandPayload } from '../workflows/messages';
import { jsonBody } from './body';
import type { ApiDeps } from './deps';
import { idParams, text, Uuid } from './fields';
import { deviceRollback, isReopened, rollBackDeviceOfEnded, rollBackEnded } from './later-rollback';
import { requirePlanAmong } from './plan-changed';
import { PlanHash } from './plan-hash';
import { HttpProblem } from './problem';
import { liveStatus } from './rollout-status';
import { findRollout } from './rollouts';
import { route, type Answer, type Route } from './route';

const Reason = z.strictObject({ reason: text(500).optional() });
/** What a command takes besides its reason. */
const bodies: Readonly<Partial<Record<Command, z.ZodType<CommandBody>>>> = {
  approve: Reason.extend({
    plan_hash: PlanHash.optional().describe('Of a preview: refused when the stored plan is another.'),
  }),
  advance: Reason.extend({ to: z.literal('all').optional().describe('Make the batches that are left one.') }),
  exclude: Reason.extend({ devices: z.array(Uuid).min(1).max(500).describe('Uuids of the devices to leave out.') }),
};

interface CommandBody {
  reason?: string | undefined;
  plan_hash?: string | undefined;
  to?: 'all' | undefined;
  devices?: string[] | undefined;
}

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
    deviceRollbackRoute(deps),
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
    body: jsonBody<z.ZodType<CommandBody>>(bodies[command] ?? Reason, { optional: true }),
    answers,
    handle: async ({ params, body, actor }) => {
      const rollout = await findRollout(deps, params.id);
      const payload = payloadOf(body, actor);
      if (command === 'rollback' && (isFinal(rollout.status) || isReopened(rollout)))
        return accepted(rollout, name, await rollBackEnded(deps, rollout, payload));
      const effect = commandEffect(command, await statusNow(deps, rollout));
      if (!effect.applies) throw new HttpProblem(409, 'command-does-not-apply', `${name}: ${effect.why}`);
      const said = await effectOn(deps, rollout.id, body, effect.effect);
      if (said === null) throw new HttpProblem(409, 'command-does-not-apply', `${name}: ${NO_PART}`);
      if (body.plan_hash !== undefined) await requireStoredPlan(deps, rollout.id, body.plan_hash);
      if (rollout.dispatched_at === null && command === 'cancel')
        return end(deps, rollout, { name, effect: said }, body.reason ?? `cancelled by ${actor}`, actor);
      if (rollout.dispatched_at === null) throw notStarted(rollout);
      return send(deps, rollout, { name, command, effect: said }, payload);
    },
  });
}

const NO_PART = 'none of these devices has a part in this rollout: GET /rollouts/:id/devices lists those that have';

/** The effect as far as it depends on what was asked for; null where that concerns nobody. */
async function effectOn(
  { pool }: ApiDeps,
  rolloutId: string,
  { devices = [], to }: CommandBody,
  effect: string,
): Promise<string | null> {
  if (to === 'all') return `${effect}; the batches that have not started become one`;
  const strangers = devices.length === 0 ? 0 : await countStrangers(pool, rolloutId, devices);
  if (strangers === 0) return effect;
  if (strangers === devices.length) return null;
  return `${effect}; ${strangers} of the ${devices.length} named have no part in it`;
}

/** By the workflow's own word: whoever has just read that it waits for an approval must not be told that nothing does. */
async function statusNow(deps: ApiDeps, rollout: RolloutRow): Promise<RolloutStatus> {
  const live = await liveStatus(deps, rollout);
  // It says its ending a moment before that is written, and what comes after an ending needs what is written.
  return live === null || isFinal(live.status) ? rollout.status : live.status;
}

function deviceRollbackRoute(deps: ApiDeps): Route {
  return route({
    method: 'post',
    path: '/api/v1/rollouts/:id/devices/:uuid/rollback',
    tag: 'Rollouts',
    summary: 'Put one device back on its own previous image; the rollout goes on without it, or stays as it ended.',
    access: 'operator',
    params: idParams('a rollout').extend({ uuid: Uuid }),
    body: jsonBody(Reason, { optional: true }),
    answers: {
      ...answers,
      202: { description: 'Sent to the workflow', schema: Accepted.extend({ device_uuid: Uuid }) },
      404: { description: 'No such rollout, or the device has no part in it' },
    },
    handle: async ({ params: { id, uuid }, body, actor }) => {
      const rollout = await findRollout(deps, id);
      const effect = await deviceRollback(deps, rollout, uuid);
      const payload = payloadOf(body, actor);
      if (isFinal(rollout.status)) await rollBackDeviceOfEnded(deps, rollout, uuid, payload);
      else if (rollout.dispatched_at === null) throw notStarted(rollout);
      else await send(deps, rollout, { name: 'rollback', command: 'exclude', effect }, { ...payload, devices: [uuid] });
      return {
        status: 202,
        body: { rollout_id: rollout.id, command: 'rollback', effect, device_uuid: uuid },
      };
    },
  });
}

/** What goes with the signal: nothing that was not given. */
function payloadOf({ reason, to, devices }: CommandBody, actor: string): CommandPayload & { actor: string } {
  return {
    actor,
    ...(reason === undefined ? {} : { reason }),
    ...(to === undefined ? {} : { to }),
    ...(devices === undefined ? {} : { devices }),
  };
}

function accepted({ id }: RolloutRow, name: string, effect: string): Answer {
  return { status: 202, body: { rollout_id: id, command: name, effect } };
}

async function requireStoredPlan({ pool }: ApiDeps, id: string, previewed: string): Promise<void> {
  const rollout = await readRollout(pool, id);
  const stored = rollout === null ? null : await storedPlan(pool, rollout);
  if (stored === null)
    throw new HttpProblem(409, 'not-planned', 'the rollout is not planned yet: repeat this in a moment');
  await requirePlanAmong(pool, previewed, stored);
}

async function send(
  deps: ApiDeps,
  rollout: RolloutRow,
  { name, command, effect }: { name: string; command: Command; effect: string },
  payload: CommandPayload & { actor: string },
): Promise<Answer> {
  const outcome = await deps.temporal.signal(rollout.workflow_id, command, payload);
  if (outcome === 'sent') return accepted(rollout, name, effect);
  const now = await findRollout(deps, rollout.id);
  // It ended in between: what a rollback is for is done all the same.
  if (now.ended_at !== null && command === 'rollback')
    return accepted(now, name, await rollBackEnded(deps, now, payload));
  if (now.ended_at !== null)
    throw new HttpProblem(
      409,
      'command-does-not-apply',
      `${name}: the rollout has ended (${now.status})${name === 'rollback' ? ' in this moment: repeat the command' : ''}`,
    );
  if (command === 'cancel') {
    const reason = payload.reason ?? `cancelled by ${payload.actor}; its workflow was gone`;
    return end(deps, rollout, { name, effect }, reason, payload.actor);
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
  rollout: RolloutRow,
  { name, effect }: { name: string; effect: string },
  reason: string,
  actor: string,
): Promise<Answer> {
  await finishRollout(pool, {
    ...{ rolloutId: rollout.id, status: 'cancelled', reason },
    ...{ actor, error: null, hold: false },
  });
  return accepted(rollout, name, effect);
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
