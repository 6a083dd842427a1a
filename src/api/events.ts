import { z } from 'zod';
import type { EventRow } from '../db/device-events';

export const EventId = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);

export const RolloutEvent = z.object({
  id: EventId,
  rollout_id: z.string(),
  type: z.string(),
  at: z.iso.datetime(),
  actor: z.string(),
  device_uuid: z.string().optional(),
  batch: z.number().int().optional(),
  reason: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});

/** Fields that an event has no value for are left out. */
export function shownEvent(row: EventRow): z.infer<typeof RolloutEvent> {
  const { id, rollout_id, type, actor, data } = row;
  return {
    id,
    rollout_id,
    type,
    at: row.at.toISOString(),
    actor,
    ...(row.device_uuid === null ? {} : { device_uuid: row.device_uuid }),
    ...(row.batch === null ? {} : { batch: row.batch }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    data,
  };
}
