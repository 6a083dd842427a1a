import { z } from 'zod';
import type { BatchRow, DeviceCount, RolloutRow } from '../db/rollouts-read';
import { rolloutStatuses } from '../domain/rollout-states';
import { strategies } from '../domain/rules';
import { publicCounts, type PublicCounts } from '../domain/public-counts';
import type { StatusCounts } from '../domain/verdict';
import type { Config } from '../config';

const Counts = z.record(z.string(), z.number().int());
const Time = z.iso.datetime().nullable();

const Resolved = z.object({
  outcome: z.enum(['found', 'absent', 'unknown']),
  digest: z.string().nullable().describe('What the tag pointed to.'),
  platforms: z.array(z.string()).nullable().describe("Of the rollout's digest; null where they are not known."),
  asked_at: z.iso.datetime(),
  why: z.string().nullable().describe('Why something is not known.'),
});

export const Rollout = z.object({
  rollout_id: z.string(),
  image: z.string(),
  registry: z.string(),
  repository: z.string(),
  tag: z.string(),
  digest: z.string().nullable().describe('As its sender named it, else as its registry said before the plan.'),
  resolution: Resolved.nullable().describe(
    'What its registry said of the tag before the plan; null before it was asked.',
  ),
  attempt: z.number().int(),
  status: z.enum(rolloutStatuses),
  strategy: z.enum(strategies),
  policy_id: z.string().nullable(),
  trigger: z.enum(['webhook', 'manual', 'reconcile']),
  actor: z.string(),
  workflow_id: z.string(),
  temporal_url: z.string().nullable(),
  counts: Counts,
  reason: z.string().optional(),
  error: z.string().optional(),
  created_at: Time,
  started_at: Time,
  ended_at: Time,
});

export const RolloutWithBatches = Rollout.extend({
  failures: z
    .array(z.object({ cause: z.string(), devices: z.number().int() }))
    .describe('Devices that failed, by cause, those that were put back since included; the 20 most frequent.'),
  batches: z.array(
    z.object({
      number: z.number().int(),
      planned: z.number().int(),
      requires_approval: z.boolean(),
      delay_seconds: z.number().int().nullable(),
      soak_seconds: z.number().int().nullable(),
      lane: z.enum(['plan', 'catch_up']),
      status: z.enum(['pending', 'in_progress', 'passed', 'failed', 'skipped', 'stopped']),
      verdict: z.enum(['pass', 'fail']).nullable(),
      rule: z.string().nullable(),
      explanation: z.string().nullable(),
      counts: Counts,
      started_at: Time,
      ended_at: Time,
    }),
  ),
});

type Shown = z.infer<typeof Rollout>;

/** A rollout with the counts of its devices, out of the counts of all rollouts that were asked for. */
export function shownRollout(row: RolloutRow, counted: readonly DeviceCount[], config: Config): Shown {
  const own = counted.filter((count) => count.rollout_id === row.id);
  const { registry, repository, tag, digest, attempt, status, strategy, policy_id, trigger, actor, workflow_id } = row;
  return {
    rollout_id: row.id,
    image: row.image_name,
    ...{ registry, repository, tag, digest, attempt, status, strategy, policy_id, trigger, actor, workflow_id },
    resolution: shownResolution(row),
    temporal_url: temporalUrl(row, config),
    counts: { ...countsOf(own, row.left_out) },
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.error === null ? {} : { error: row.error }),
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}

function shownResolution({ resolution }: RolloutRow): Shown['resolution'] {
  if (resolution === null) return null;
  const { outcome, digest, platforms, asked_at, why } = resolution;
  return { outcome, digest, platforms, asked_at, why };
}

export function shownBatch(
  row: BatchRow,
  counted: readonly DeviceCount[],
): z.infer<typeof RolloutWithBatches>['batches'][number] {
  const { number, planned, requires_approval, delay_seconds, soak_seconds, lane, status, rule, explanation } = row;
  return {
    ...{ number, planned, requires_approval, delay_seconds, soak_seconds, lane, status },
    verdict: status === 'passed' ? 'pass' : status === 'failed' ? 'fail' : null,
    ...{ rule, explanation },
    counts: {
      ...countsOf(
        counted.filter((count) => count.batch === number),
        0,
      ),
    },
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}

/** In the words of the answer, from devices as they were counted; `leftOut` of those without a batch are not on target. */
export function countsOf(counted: readonly DeviceCount[], leftOut: number): PublicCounts {
  const planned: StatusCounts = {};
  let notPlanned = 0;
  for (const { unplanned, kind, devices } of counted) {
    if (unplanned) notPlanned += devices;
    else planned[kind] = (planned[kind] ?? 0) + devices;
  }
  return publicCounts(planned, { alreadyOnTarget: notPlanned - leftOut, leftOut });
}

/**
 * The run's own page in the Temporal UI, where its address is known: the tab that shows summary and current details. Without
 * the run's id the UI shows the newest run of the workflow id, which may be a later attempt's.
 */
function temporalUrl(row: RolloutRow, { TEMPORAL_UI_URL, TEMPORAL_NAMESPACE }: Config): string | null {
  if (TEMPORAL_UI_URL === undefined) return null;
  const workflow = `${TEMPORAL_UI_URL.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(TEMPORAL_NAMESPACE)}/workflows/${encodeURIComponent(row.workflow_id)}`;
  return row.run_id === null ? workflow : `${workflow}/${encodeURIComponent(row.run_id)}/user-metadata`;
}
