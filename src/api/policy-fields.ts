import { z } from 'zod';
import { failureActions, strategies } from '../domain/rules';
import { validatePattern } from '../domain/image-pattern';
import { platformProblem } from '../domain/platforms';
import { Checks } from './check-fields';
import { seconds, Tags, text, Uuid, YEAR } from './fields';
import { documented } from './policy-docs';
import { Batches, TagRule } from './policy-plan-fields';
import { Windows, windowsProblem } from './window-fields';

const Health = z.strictObject({
  timeout_seconds: z
    .number()
    .int()
    .min(1)
    .max(604_800)
    .optional()
    .describe('Seconds a device has to become healthy after it was told; then it is timed out, or unreachable.'),
  soak_seconds: seconds(604_800).optional().describe('Seconds it must stay healthy before it counts.'),
  checks: Checks.optional().describe(
    'What has to hold besides the image; the container has to run in any case. `tcp` and `http` are made by Fleetwave at the `address` of the device, and a device without one is left out.',
  ),
});

const Platform = text(64).superRefine((platform, context) => {
  const problem = platformProblem(platform);
  if (problem !== null) context.addIssue({ code: 'custom', message: problem });
});

const settings = {
  tag_rule: TagRule.optional(),
  pin: z.enum(['auto', 'tag', 'digest']).optional(),
  batches: Batches.optional(),
  batch_delay_seconds: seconds(YEAR).optional(),
  health: Health.optional(),
  max_failure_rate: z.number().min(0).max(1).optional(),
  max_failures: z.number().int().min(0).max(1_000_000).nullable().optional(),
  min_sample: z.number().int().min(1).max(1_000_000).optional(),
  on_failure: z.enum(failureActions).optional(),
  rollback_timeout_seconds: z.number().int().min(1).max(604_800).optional(),
  retry: z
    .strictObject({
      attempts: z.number().int().min(1).max(20).optional().describe('Tries a device gets in all, the first included.'),
      delay_seconds: seconds(604_800).optional().describe('Seconds between two tries.'),
    })
    .optional(),
  on_newer: z.enum(['supersede', 'queue']).optional(),
  offline: z
    .strictObject({
      after_seconds: z
        .number()
        .int()
        .min(1)
        .max(604_800)
        .optional()
        .describe('Seconds since a device was last seen after which it is offline. One never seen counts as online.'),
      catch_up_hours: z
        .number()
        .min(0)
        .max(720)
        .optional()
        .describe('Hours after the last batch in which devices that were offline are waited for.'),
    })
    .optional(),
  windows: Windows.optional(),
  min_age_seconds: seconds(30 * 86_400).optional(),
  platforms: z.array(Platform).max(20).optional(),
  requires_approval: z.boolean().optional(),
  requires_approved_image: z.boolean().optional(),
};

const scope = {
  fleet_id: text(128).nullable().optional(),
  device_tags: Tags.nullable().optional(),
  device_uuids: z.array(Uuid).min(1).max(10_000).nullable().optional(),
  enabled: z.boolean().optional(),
  priority: z.number().int().min(-1_000_000).max(1_000_000).optional(),
  description: text(2000).nullable().optional(),
};

const required = {
  image_pattern: z
    .string()
    .min(1)
    .max(512)
    .superRefine((pattern, context) => {
      const problem = validatePattern(pattern);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    }),
  update_strategy: z.enum(strategies),
};

export const PolicyInput = z
  .strictObject(documented({ ...required, ...settings, ...scope }, true))
  .superRefine((policy, context) => {
    const message = windowsProblem(policy);
    if (message !== null) context.addIssue({ code: 'custom', path: ['windows'], message });
  });
export type PolicyInput = z.output<typeof PolicyInput>;

/** The same fields, none needed. `health` and `retry` are merged field by field, lists are replaced; null clears what may be null. */
export const PolicyPatch = z
  .strictObject(
    documented(
      {
        image_pattern: required.image_pattern.optional(),
        update_strategy: required.update_strategy.optional(),
        ...settings,
        ...scope,
      },
      false,
    ),
  )
  .refine((patch) => Object.keys(patch).length > 0, 'names no field to change');
export type PolicyPatch = z.output<typeof PolicyPatch>;

/** What GET shows: the settings in force, given or default. */
export const Policy = z.object({
  id: Uuid,
  image_pattern: z.string(),
  update_strategy: z.enum(strategies),
  tag_rule: z.object({
    kind: z.enum(['any', 'glob', 'regex', 'semver']),
    pattern: z.string().optional(),
    range: z.string().optional(),
    allow_downgrade: z.boolean().optional(),
  }),
  pin: z.enum(['auto', 'tag', 'digest']),
  batches: z.union([
    z.array(z.record(z.string(), z.unknown())),
    z.object({ start: z.number(), factor: z.number(), max: z.number() }),
  ]),
  batch_delay_seconds: z.number(),
  health: z.object({
    timeout_seconds: z.number(),
    soak_seconds: z.number(),
    checks: z.array(z.record(z.string(), z.unknown())),
  }),
  max_failure_rate: z.number(),
  max_failures: z.number().nullable(),
  min_sample: z.number(),
  on_failure: z.enum(failureActions),
  rollback_timeout_seconds: z.number(),
  retry: z.object({ attempts: z.number(), delay_seconds: z.number() }),
  on_newer: z.enum(['supersede', 'queue']),
  offline: z.object({ after_seconds: z.number(), catch_up_hours: z.number() }),
  windows: z.array(z.object({ days: z.array(z.string()), from: z.string(), to: z.string(), timezone: z.string() })),
  min_age_seconds: z.number(),
  platforms: z.array(z.string()),
  requires_approval: z.boolean(),
  requires_approved_image: z.boolean(),
  fleet_id: z.string().nullable(),
  device_tags: z.record(z.string(), z.string()).nullable(),
  device_uuids: z.array(Uuid).nullable(),
  enabled: z.boolean(),
  priority: z.number(),
  description: z.string().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
