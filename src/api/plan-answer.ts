import { z } from 'zod';
import type { PreviewedPlan } from '../db/preview-plan';
import { planTimes, type TimedFreeze } from '../domain/plan-times';
import { failureActions, strategies, type RolloutRules } from '../domain/rules';
import { describeWindow } from '../domain/windows';
import { Uuid } from './fields';

const Named = { device_uuids: z.array(Uuid).describe('The first 500.'), more: z.number() };
const Time = z.iso.datetime().nullable();

const BatchAnswer = z.object({
  number: z.number(),
  planned: z.number(),
  offline: z
    .number()
    .describe('Of the planned, offline now: left for later at their turn, unless they are back by then.'),
  requires_approval: z.boolean(),
  delay_seconds: z.number(),
  soak_seconds: z.number(),
  starts_at: Time.describe('When its first devices may be told, at the earliest; null for never.'),
  told_by: Time.describe('When its last devices may be told, at the earliest; null for never.'),
  waits_for: z
    .string()
    .nullable()
    .describe('What its last devices wait for once it is due: `maintenance window`, or `freeze` with its reason.'),
  ...Named,
});

const OlderRollout = z.object({ rollout_id: Uuid, tag: z.string(), workflow_id: z.string(), devices: z.number() });

export const PlanAnswer = z.object({
  strategy: z.enum(strategies),
  requires_approval: z.boolean(),
  on_failure: z.enum(failureActions),
  windows: z.array(z.string()).describe('In words; none stands for at any time.'),
  min_age_seconds: z
    .number()
    .describe('How old the push has to be first; the times below count from its acceptance now.'),
  platforms: z.array(z.string()).describe('What its registry is asked for before the plan; not asked for a preview.'),
  counts: z.object({
    planned: z.number(),
    offline: z.number().describe('Of the planned.'),
    already_on_target: z.number(),
    left_out: z.number(),
  }),
  batches: z.array(BatchAnswer),
  left_out: z.array(z.object({ reason: z.string(), count: z.number(), ...Named })),
  takes_over_from: z.array(OlderRollout).describe('Whose devices it takes; none under `on_newer: queue`.'),
  starts_after: z
    .array(OlderRollout)
    .describe(
      'Under `on_newer: queue`, the older rollouts that have devices of this plan: it starts when they have ended. The times are those of a start now, and count from then.',
    ),
  earliest_end: Time.describe(
    'With delays, windows, freezes and soaks; without approvals, the wait for health, and devices that are offline. Null for never.',
  ),
  catch_up_until: Time.describe(
    'Until when devices that are offline are waited for, after that end; null where none is.',
  ),
});

/** A plan in the API's words, with the times at which it would go. */
export function planAnswer(
  { batches, left_out, takes_over_from, already_on_target, now_ms: nowMs }: PreviewedPlan,
  rules: RolloutRules,
  freezes: readonly TimedFreeze[],
): z.input<typeof PlanAnswer> {
  const own = batches.map((batch) => ({
    ...batch,
    delay_seconds: batch.delay_seconds ?? (batch.number === 1 ? 0 : rules.batchDelaySeconds),
    soak_seconds: batch.soak_seconds ?? rules.soakSeconds,
  }));
  const times = planTimes(
    own.map(({ number, groups, ...batch }) => ({
      ...{ number, groups },
      delaySeconds: batch.delay_seconds,
      soakSeconds: batch.soak_seconds,
    })),
    ...([rules.windows, freezes, nowMs + rules.minAgeSeconds * 1000] as const),
  );
  const timed = own.map(({ groups, ...batch }, index) => ({
    ...batch,
    offline: sum(groups.map((group) => group.offline)),
    starts_at: iso(times.batches[index]?.startsAtMs ?? null),
    told_by: iso(times.batches[index]?.toldByMs ?? null),
    waits_for: times.batches[index]?.waitsFor ?? null,
  }));
  const offline = sum(timed.map((batch) => batch.offline));
  const { endsAtMs } = times;
  const queues = rules.onNewer === 'queue';
  return {
    strategy: rules.strategy,
    requires_approval: rules.requiresApproval,
    on_failure: rules.onFailure,
    windows: rules.windows.map(describeWindow),
    min_age_seconds: rules.minAgeSeconds,
    platforms: rules.platforms,
    counts: {
      planned: sum(timed.map((batch) => batch.planned)),
      offline,
      already_on_target,
      left_out: sum(left_out.map((reason) => reason.count)),
    },
    batches: timed,
    left_out,
    takes_over_from: queues ? [] : takes_over_from,
    starts_after: queues ? takes_over_from : [],
    earliest_end: iso(endsAtMs),
    catch_up_until: offline === 0 || endsAtMs === null ? null : iso(endsAtMs + rules.catchUpHours * 3_600_000),
  };
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
