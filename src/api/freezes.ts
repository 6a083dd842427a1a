import { z } from 'zod';
import {
  changeFreeze,
  createFreeze,
  liftFreeze,
  listFreezes,
  readFreeze,
  readFreezeClock,
  type FreezeRow,
} from '../db/freezes';
import { freezeTimeProblem } from '../domain/freeze';
import { jsonBody } from './body';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams } from './fields';
import { Freeze, FreezePatch, FreezeQuery, NewFreeze, shownFreeze } from './freeze-fields';
import { HttpProblem, invalidInput, notFound } from './problem';
import { route, type Route } from './route';
import { wakeFrozen } from './wake-frozen';

/** A freeze refuses no push: a rollout that it binds is accepted, and waits until the freeze ends or is lifted. */
export function freezeRoutes(deps: ApiDeps): Route[] {
  const { pool } = deps;
  const tag = 'Freezes';
  return [
    route({
      method: 'post',
      path: '/api/v1/freezes',
      tag,
      summary: 'Freeze: rollouts that it binds write no target state until it ends or is lifted',
      access: 'operator',
      body: jsonBody(NewFreeze),
      answers: { 201: { description: 'Made', schema: Freeze } },
      handle: async ({ body, actor }) => {
        const now = await readFreezeClock(pool);
        const startsAt = body.starts_at ?? now;
        requireTimes(startsAt, body.ends_at, now);
        const made = await createFreeze(pool, {
          ...{ reason: body.reason, binds: body.binds, actor },
          imagePattern: body.image_pattern ?? null,
          fleetId: body.fleet_id ?? null,
          ...{ startsAt, endsAt: body.ends_at },
        });
        await wakeFrozen(deps, made);
        return { status: 201, body: shownFreeze(made) };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/freezes',
      tag,
      summary: 'Freezes that stand or are to come; with `active=all` those that are over, too',
      access: 'viewer',
      query: FreezeQuery,
      answers: {
        200: {
          description: 'A page of freezes, newest first',
          schema: z.object({ freezes: z.array(Freeze), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query: { active, limit, cursor } }) => {
        const rows = await listFreezes(pool, { open: active === 'true', limit, before: cursor });
        const { items, next_cursor } = page(rows, limit, shownFreeze, (row) => [row.created_key, row.id]);
        return { status: 200, body: { freezes: items, next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/freezes/:id',
      tag,
      summary: 'One freeze, also one that is over',
      access: 'viewer',
      params: idParams('a freeze'),
      answers: { 200: { description: 'The freeze', schema: Freeze } },
      handle: async ({ params }) => ({ status: 200, body: shownFreeze(await findFreeze(deps, params.id)) }),
    }),
    route({
      method: 'patch',
      path: '/api/v1/freezes/:id',
      tag,
      summary: 'Lengthen or shorten a freeze, or say its reason anew',
      access: 'operator',
      params: idParams('a freeze'),
      body: jsonBody(FreezePatch),
      answers: {
        200: { description: 'The freeze as it is now', schema: Freeze },
        409: { description: 'It has ended or was lifted' },
      },
      handle: async ({ params, body, actor }) => {
        const { starts_at, now } = requireOpen(await findFreeze(deps, params.id));
        if (body.ends_at !== undefined) requireTimes(starts_at, body.ends_at, now);
        const change = { reason: body.reason ?? null, endsAt: body.ends_at ?? null, actor };
        const changed = await changeFreeze(pool, params.id, change);
        // It ended or was lifted between the two statements.
        if (changed === null) throw isOver(await findFreeze(deps, params.id));
        await wakeFrozen(deps, changed);
        return { status: 200, body: shownFreeze(changed) };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/freezes/:id',
      tag,
      summary: 'Lift a freeze; one that is over already stays as it is',
      access: 'operator',
      params: idParams('a freeze'),
      answers: { 204: { description: 'It stands no more' } },
      handle: async ({ params, actor }) => {
        const lifted = await liftFreeze(pool, params.id, actor);
        if (lifted === null) await findFreeze(deps, params.id);
        else await wakeFrozen(deps, lifted);
        return { status: 204 };
      },
    }),
  ];
}

async function findFreeze({ pool }: ApiDeps, id: string): Promise<FreezeRow> {
  const row = await readFreeze(pool, id);
  if (row === null) throw notFound('freeze', id);
  return row;
}

function requireTimes(startsAt: Date, endsAt: Date, now: Date): void {
  const problem = freezeTimeProblem(startsAt, endsAt, now);
  if (problem !== null) throw invalidInput([{ path: 'ends_at', message: problem }]);
}

function requireOpen(row: FreezeRow): FreezeRow {
  if (row.lifted_at !== null || row.ends_at <= row.now) throw isOver(row);
  return row;
}

function isOver({ lifted_at, lifted_by, ends_at }: FreezeRow): HttpProblem {
  const how =
    lifted_at === null
      ? `ended at ${ends_at.toISOString()}`
      : `was lifted by ${lifted_by} at ${lifted_at.toISOString()}`;
  return new HttpProblem(409, 'freeze-is-over', `this freeze ${how}: make a new one with POST /api/v1/freezes`);
}
