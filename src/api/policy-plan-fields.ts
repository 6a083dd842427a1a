import { z } from 'zod';
import { validateRange, validateTagGlob } from '../domain/tag-rules';
import { seconds, TagSelector, text, YEAR } from './fields';
import { linearRegex } from '../intake/linear-regex';

/** A pattern, or whatever else a rule is made of, with the sentence that says what is wrong with it. */
function checked(max: number, problemOf: (value: string) => string | null) {
  return text(max).superRefine((value, context) => {
    const message = problemOf(value);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

/** Which tags of an image a policy lets through. */
export const TagRule = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('any') }),
    z.strictObject({
      kind: z.literal('glob'),
      pattern: checked(128, validateTagGlob).describe('`*` matches any characters; all of the tag must match.'),
    }),
    z.strictObject({
      kind: z.literal('regex'),
      pattern: checked(256, linearRegex.problem).describe('RE2 syntax; all of the tag must match.'),
    }),
    z.strictObject({
      kind: z.literal('semver'),
      range: checked(256, validateRange).describe(
        'A range of versions: `^7`, `~7.4`, `>=7.2 <8`, `7.x`, `7.2 - 7.4`, `^6 || ^7`.',
      ),
      allow_downgrade: z
        .boolean()
        .optional()
        .describe('Whether a device may be given an older version than it has; without it, it may not.'),
    }),
  ],
  'the kind of a tag rule is any, glob, regex or semver',
);

const Step = z
  .strictObject({
    percent: z.number().min(1).max(100).optional().describe('Share of the planned devices up to and with this batch.'),
    count: z.number().int().min(1).max(1_000_000).optional().describe('So many devices.'),
    tag: TagSelector.optional().describe('All devices with this tag, as one text `key:value`: `"ring:canary"`.'),
    fleet_id: text(128).optional().describe('All devices of this fleet.'),
    approval: z.boolean().optional().describe('Wait for `approve` before this batch.'),
    delay_seconds: seconds(YEAR)
      .optional()
      .describe('Seconds between the batch before and this one, instead of `batch_delay_seconds`.'),
    soak_seconds: seconds(604_800)
      .optional()
      .describe('Seconds of soak of this batch, instead of `health.soak_seconds`.'),
  })
  .transform(({ percent, count, tag, fleet_id, ...own }, context) => {
    if ([percent, count, tag, fleet_id].filter((value) => value !== undefined).length !== 1) {
      context.addIssue({ code: 'custom', message: 'a batch is exactly one of percent, count, tag, fleet_id' });
      return z.NEVER;
    }
    if (percent !== undefined) return { percent, ...own };
    if (count !== undefined) return { count, ...own };
    if (tag !== undefined) return { tag, ...own };
    return { fleet_id: String(fleet_id), ...own };
  });

const Steps = z
  .array(Step)
  .min(1)
  .max(100)
  .superRefine((steps, context) => {
    let last = 0;
    for (const [index, step] of steps.entries()) {
      if (!('percent' in step)) continue;
      if (step.percent <= last)
        context.addIssue({
          code: 'custom',
          path: [index, 'percent'],
          message: `is cumulative and must be above the ${last} before it`,
        });
      last = Math.max(last, step.percent);
    }
  });

const Growing = z
  .strictObject({
    start: z.number().int().min(1).max(1_000_000).describe('Devices of the first batch.'),
    factor: z
      .number()
      .min(1)
      .max(10)
      .multipleOf(0.01)
      .describe('Each batch has so many times the devices of the one before, rounded up.'),
    max: z.number().int().min(1).max(1_000_000).describe('Devices of the largest batch.'),
  })
  .refine(({ start, max }) => start <= max, { path: ['max'], message: 'must not be below start' });

/** Steps, or batches that grow. */
export const Batches = z.union([Steps, Growing], 'must be a list of batches or {start, factor, max}');
