import { z } from 'zod';
import { liftHold, listHolds, type HoldRow } from '../db/holds';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { idParams, pageQuery, TimeAndId, Uuid } from './fields';
import { notFound } from './problem';
import { route, type Route } from './route';

const Hold = z.object({
  id: Uuid,
  image: z.string(),
  tag: z.string(),
  revision: z.string(),
  rollout_id: z.string().nullable(),
  reason: z.string(),
  created_at: z.iso.datetime(),
});

export function holdRoutes({ pool }: ApiDeps): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/holds',
      tag: 'Holds',
      summary: 'Revisions that may not be rolled out again until the hold is lifted',
      access: 'viewer',
      query: pageQuery(TimeAndId),
      answers: {
        200: {
          description: 'A page of holds, newest first',
          schema: z.object({ holds: z.array(Hold), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query }) => {
        const rows = await listHolds(pool, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => [row.created_key, row.id]);
        return { status: 200, body: { holds: items, next_cursor } };
      },
    }),
    route({
      method: 'delete',
      path: '/api/v1/holds/:id',
      tag: 'Holds',
      summary: 'Lift a hold',
      access: 'admin',
      params: idParams('a hold'),
      answers: { 204: { description: 'Lifted' } },
      handle: async ({ params, actor }) => {
        if (!(await liftHold(pool, params.id, actor))) throw notFound('hold', params.id);
        return { status: 204 };
      },
    }),
  ];
}

function shown(row: HoldRow): z.infer<typeof Hold> {
  const { id, image, tag, revision, rollout_id, reason } = row;
  return { id, image, tag, revision, rollout_id, reason, created_at: row.created_at.toISOString() };
}
