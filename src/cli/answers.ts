import { z } from 'zod';

/** What the command reads of the API's answers (docs/api.md); newer servers may say more. */

const Counts = z.record(z.string(), z.number());

export const RolloutBatch = z.looseObject({
  number: z.number(),
  planned: z.number(),
  status: z.string(),
  verdict: z.string().nullish(),
  rule: z.string().nullish(),
  counts: Counts.nullish(),
});
export type RolloutBatch = z.infer<typeof RolloutBatch>;

export const Rollout = z.looseObject({
  rollout_id: z.string(),
  registry: z.string(),
  repository: z.string(),
  tag: z.string(),
  status: z.string(),
  strategy: z.string().nullish(),
  trigger: z.string().nullish(),
  workflow_id: z.string().nullish(),
  temporal_url: z.string().nullish(),
  counts: Counts.nullish(),
  batches: z.array(RolloutBatch).default([]),
  failures: z.array(z.looseObject({ cause: z.string(), devices: z.number() })).default([]),
  created_at: z.string(),
  ended_at: z.string().nullish(),
  reason: z.string().nullish(),
  error: z.string().nullish(),
});
export type Rollout = z.infer<typeof Rollout>;

export const RolloutList = z.object({ rollouts: z.array(Rollout), next_cursor: z.string().nullish() });

export const RolloutStatusAnswer = z.looseObject({
  status: z.string(),
  batch: z.number().nullish(),
  waiting_for: z.string().nullish(),
  since: z.string().nullish(),
  until: z.string().nullish(),
  next_rule: z.string().nullish(),
  resolved: z.string().nullish(),
  commands: z.array(z.string()).default([]),
});
export type RolloutStatusAnswer = z.infer<typeof RolloutStatusAnswer>;

const PreviewedBatch = z.looseObject({
  number: z.number(),
  planned: z.number(),
  offline: z.number().default(0),
  requires_approval: z.boolean(),
  delay_seconds: z.number(),
  soak_seconds: z.number(),
  starts_at: z.string().nullish(),
  told_by: z.string().nullish(),
  waits_for: z.string().nullish(),
});
export type PreviewedBatch = z.infer<typeof PreviewedBatch>;

const OlderRollout = z.looseObject({ rollout_id: z.string(), tag: z.string(), devices: z.number() });

const PreviewedPlan = z.looseObject({
  strategy: z.string().nullish(),
  requires_approval: z.boolean(),
  on_failure: z.string().nullish(),
  windows: z.array(z.string()).default([]),
  min_age_seconds: z.number().default(0),
  platforms: z.array(z.string()).default([]),
  counts: Counts,
  batches: z.array(PreviewedBatch),
  left_out: z.array(z.looseObject({ reason: z.string(), count: z.number() })),
  takes_over_from: z.array(OlderRollout),
  starts_after: z.array(OlderRollout).default([]),
  earliest_end: z.string().nullish(),
  catch_up_until: z.string().nullish(),
});
export type PreviewedPlan = z.infer<typeof PreviewedPlan>;

/** What one policy would do with a push. */
const PreviewedPart = z.looseObject({
  outcome: z.string(),
  detail: z.string().nullish(),
  policy: z.looseObject({ id: z.string(), why: z.string() }).nullish(),
  plan: PreviewedPlan.nullish(),
});
export type PreviewedPart = z.infer<typeof PreviewedPart>;

export const Preview = PreviewedPart.extend({
  image: z.string(),
  tag: z.string(),
  plan_hash: z.string().nullish(),
  further: z.array(PreviewedPart).default([]),
});

export const CommandAnswer = z.object({ effect: z.string() });

export const ImageApproval = z.looseObject({
  id: z.string(),
  image_name: z.string(),
  tag: z.string(),
  digest: z.string().nullish(),
  status: z.string(),
  requested_by: z.string(),
  requested_at: z.string(),
  decided_by: z.string().nullish(),
  decision_reason: z.string().nullish(),
  outcome: z.string().nullish(),
  rollout_id: z.string().nullish(),
});
export type ImageApproval = z.infer<typeof ImageApproval>;
export const ImageApprovalList = z.object({
  image_approvals: z.array(ImageApproval),
  next_cursor: z.string().nullish(),
});

export const Freeze = z.looseObject({
  id: z.string(),
  status: z.string(),
  reason: z.string(),
  binds: z.string(),
  image_pattern: z.string().nullish(),
  fleet_id: z.string().nullish(),
  starts_at: z.string(),
  ends_at: z.string(),
});
export type Freeze = z.infer<typeof Freeze>;
export const FreezeList = z.object({ freezes: z.array(Freeze), next_cursor: z.string().nullish() });

export const Triggered = z.looseObject({
  results: z.array(
    z.looseObject({
      outcome: z.string(),
      rollout_id: z.string().nullish(),
      detail: z.string().nullish(),
      approval_id: z.string().nullish(),
      policy_id: z.string().nullish(),
    }),
  ),
});
export type Triggered = z.infer<typeof Triggered>;

export const HoldList = z.object({
  holds: z.array(
    z.looseObject({
      id: z.string(),
      image: z.string(),
      tag: z.string(),
      rollout_id: z.string().nullish(),
      reason: z.string(),
      created_at: z.string(),
    }),
  ),
  next_cursor: z.string().nullish(),
});
