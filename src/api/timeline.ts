import { z } from 'zod';
import { deviceTimeline } from '../db/device-events';
import { readDevice } from '../db/devices';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { EventId, RolloutEvent, shownEvent } from './events';
import { pageQuery, UuidParams } from './fields';
import { notFound } from './problem';
import { route, type Route } from './route';

export function timelineRoute({ pool }: ApiDeps): Route {
  return route({
    method: 'get',
    path: '/api/v1/devices/:uuid/timeline',
    tag: 'Devices',
    summary: 'What happened to this device, newest first',
    access: 'viewer',
    params: UuidParams,
    query: pageQuery(EventId),
    answers: {
      200: {
        description: 'A page of events',
        schema: z.object({ events: z.array(RolloutEvent), next_cursor: z.string().nullable() }),
      },
    },
    handle: async ({ params, query }) => {
      const rows = await deviceTimeline(pool, params.uuid, query.limit, query.cursor);
      // A deleted device keeps its events, so only an empty answer needs the second look.
      if (rows.length === 0 && (await readDevice(pool, params.uuid)) === null) throw notFound('device', params.uuid);
      const { items, next_cursor } = page(rows, query.limit, shownEvent, (row) => row.id);
      return { status: 200, body: { events: items, next_cursor } };
    },
  });
}
