import { z } from 'zod';
import { rolloutEvents } from '../db/device-events';
import { listRolloutDevices, type RolloutDeviceRow } from '../db/rollouts-read';
import { deviceStatuses } from '../domain/rollout-states';
import { page } from './cursor';
import type { ApiDeps } from './deps';
import { EventId, RolloutEvent, shownEvent } from './events';
import { idParams, pageQuery, Uuid } from './fields';
import { findRollout } from './rollouts';
import { route, type Route } from './route';

const RolloutDevice = z.object({
  device_uuid: Uuid,
  batch: z.number().int().nullable(),
  status: z.enum(deviceStatuses),
  reason: z.string().nullable(),
  cause: z
    .string()
    .nullable()
    .describe(
      'Why it failed, in a word or two, as `ErrImagePull`; null where it did not. It stays when it is put back.',
    ),
  previous: z.array(
    z.object({ app_id: z.string(), service: z.string().nullable(), field: z.string(), image: z.string() }),
  ),
  target: z.string().nullable(),
  current: z.string().nullable(),
  tries: z.number().int(),
  target_version: z.number().int().nullable(),
  updated_at: z.iso.datetime(),
});
const DeviceQuery = pageQuery(z.guid()).extend({
  status: z.enum(deviceStatuses).optional(),
  batch: z.coerce.number().int().min(1).max(1_000_000).optional(),
});

export function rolloutListRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/rollouts/:id/devices',
      tag: 'Rollouts',
      summary: 'Devices of a rollout, with what each had before',
      access: 'viewer',
      params: idParams('a rollout'),
      query: DeviceQuery,
      answers: {
        200: {
          description: 'A page of devices',
          schema: z.object({ devices: z.array(RolloutDevice), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ params, query }) => {
        await findRollout(deps, params.id);
        const rows = await listRolloutDevices(deps.pool, params.id, {
          status: query.status,
          batch: query.batch,
          after: query.cursor,
          limit: query.limit,
        });
        const { items, next_cursor } = page(rows, query.limit, shown, (row) => row.device_uuid);
        return { status: 200, body: { devices: items, next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/rollouts/:id/events',
      tag: 'Rollouts',
      summary: 'What happened in a rollout, in order',
      access: 'viewer',
      params: idParams('a rollout'),
      query: pageQuery(EventId),
      answers: {
        200: {
          description: 'A page of events',
          schema: z.object({ events: z.array(RolloutEvent), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ params, query }) => {
        await findRollout(deps, params.id);
        const rows = await rolloutEvents(deps.pool, params.id, query.limit, query.cursor);
        const { items, next_cursor } = page(rows, query.limit, shownEvent, (row) => row.id);
        return { status: 200, body: { events: items, next_cursor } };
      },
    }),
  ];
}

function shown(row: RolloutDeviceRow): z.infer<typeof RolloutDevice> {
  const { device_uuid, batch, status, reason, cause, reported, tries, target_version } = row;
  return {
    ...{ device_uuid, batch, status, reason, cause },
    previous: row.changes.map(({ app_id, service, field, from }) => ({ app_id, service, field, image: from })),
    target: row.changes[0]?.to ?? null,
    current: reported,
    ...{ tries, target_version },
    updated_at: row.updated_at.toISOString(),
  };
}
