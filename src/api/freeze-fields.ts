import { z } from 'zod';
import type { FreezeRow } from '../db/freezes';
import { freezeBinds, freezeStatus, freezeStatuses } from '../domain/freeze';
import { validatePattern } from '../domain/image-pattern';
import { pageQuery, text, TimeAndId, Uuid } from './fields';

const INSTANTS = [z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true, precision: -1 })];

/** A moment with its zone, seconds or not; kept to the millisecond, as timers are. */
const Instant = z
  .string()
  .max(64)
  .refine(
    (value) => INSTANTS.some((format) => format.safeParse(value).success),
    'must be a time with its zone, such as 2026-12-27T06:00:00Z',
  )
  .meta({ format: 'date-time', example: '2026-12-27T06:00:00Z' })
  .transform((value) => new Date(value));

const Reason = text(500);

export const NewFreeze = z.strictObject({
  reason: Reason.describe('Shown wherever a rollout says that it waits.'),
  ends_at: Instant,
  starts_at: Instant.optional().describe('Now, unless given.'),
  binds: z
    .enum(freezeBinds)
    .default('automatic')
    .describe(
      '`automatic`: rollouts that no person asked for (trigger `webhook` or `reconcile`); `all`: every rollout. Rollbacks are never bound.',
    ),
  image_pattern: z
    .string()
    .max(512)
    .superRefine((pattern, context) => {
      const problem = validatePattern(pattern);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .describe("As a policy's; every image, unless given."),
  fleet_id: text(128).optional().describe('Only the devices of this fleet; all devices, unless given.'),
});

export const FreezePatch = z
  .strictObject({ reason: Reason.optional(), ends_at: Instant.optional() })
  .refine((patch) => Object.keys(patch).length > 0, 'names no field to change');

export const FreezeQuery = pageQuery(TimeAndId).extend({
  active: z
    .enum(['true', 'all'])
    .default('true')
    .describe('`true`: those that stand or are to come; `all`: those that have ended or were lifted, too.'),
});

export const Freeze = z.object({
  id: Uuid,
  status: z.enum(freezeStatuses),
  reason: z.string(),
  binds: z.enum(freezeBinds),
  image_pattern: z.string().nullable(),
  fleet_id: z.string().nullable(),
  starts_at: z.iso.datetime(),
  ends_at: z.iso.datetime(),
  created_at: z.iso.datetime(),
  created_by: z.string(),
  changed_at: z.iso.datetime().nullable(),
  changed_by: z.string().nullable(),
  lifted_at: z.iso.datetime().nullable(),
  lifted_by: z.string().nullable(),
});

export function shownFreeze(row: FreezeRow): z.infer<typeof Freeze> {
  const { id, reason, binds, image_pattern, fleet_id, created_by, changed_by, lifted_by } = row;
  return {
    id,
    status: freezeStatus({ startsAt: row.starts_at, endsAt: row.ends_at, liftedAt: row.lifted_at }, row.now),
    ...{ reason, binds, image_pattern, fleet_id },
    starts_at: row.starts_at.toISOString(),
    ends_at: row.ends_at.toISOString(),
    created_at: row.created_at.toISOString(),
    created_by,
    changed_at: row.changed_at?.toISOString() ?? null,
    changed_by,
    lifted_at: row.lifted_at?.toISOString() ?? null,
    lifted_by,
  };
}
