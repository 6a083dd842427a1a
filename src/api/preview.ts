import type { PoolClient } from 'pg';
import { z } from 'zod';
import { previewPlan, type PreviewedPlan } from '../db/preview-plan';
import { readRollout } from '../db/rollout-facts';
import { strategies, type RolloutRules } from '../domain/rules';
import { acceptManually } from './accept';
import { starts, type Accepted, outcomes } from './accept-push';
import { jsonBody } from './body';
import { choosePolicies } from './choose-policy';
import type { ApiDeps } from './deps';
import { Digest, Uuid } from './fields';
import { hashOfAll } from './plan-hash';
import { invalidInput } from './problem';
import type { Push } from './registries/push';
import { route, type Answer, type Route } from './route';
import { readPush } from './trigger-update';

const PreviewBody = z.strictObject({
  image: z.string().min(1).max(512),
  tag: z.string().min(1).max(128).optional().describe('May stand in `image` instead.'),
  digest: Digest.optional(),
  force: z.boolean().optional().describe('As in `/images/trigger-update`.'),
});

const Named = { device_uuids: z.array(Uuid).describe('The first 500.'), more: z.number() };
const PlanAnswer = z.object({
  strategy: z.enum(strategies),
  requires_approval: z.boolean(),
  counts: z.object({ planned: z.number(), already_on_target: z.number(), left_out: z.number() }),
  batches: z.array(
    z.object({
      number: z.number(),
      planned: z.number(),
      requires_approval: z.boolean(),
      delay_seconds: z.number(),
      soak_seconds: z.number(),
      ...Named,
    }),
  ),
  left_out: z.array(z.object({ reason: z.string(), count: z.number(), ...Named })),
  takes_over_from: z.array(
    z.object({ rollout_id: Uuid, tag: z.string(), workflow_id: z.string(), devices: z.number() }),
  ),
  earliest_end: z.string().describe('Delays and soaks only: without approvals and the wait for health.'),
});
const PolicyAnswer = z.object({
  id: Uuid,
  pattern: z.string(),
  why: z.string(),
  candidates: z.array(z.object({ id: Uuid, pattern: z.string(), priority: z.number() })),
});
const Part = z.object({
  outcome: z.enum(outcomes).describe('What a push would be answered now.'),
  detail: z.string().nullable(),
  policy: PolicyAnswer.nullable(),
  plan: PlanAnswer.nullable().describe('Null when a push would start nothing.'),
  plan_hash: z.string().nullable(),
});
const PreviewAnswer = z.object({
  image: z.string(),
  tag: z.string(),
  digest: z.string().nullable(),
  ...Part.shape,
  plan_hash: z
    .string()
    .nullable()
    .describe(
      'Of all plans that a push would make: for `/images/trigger-update`, and for approving one of its rollouts.',
    ),
  further: z.array(Part).describe('The same of each further policy, for the devices that none before it selects.'),
});

/** Carries the preview out of the transaction that it ends without a trace. */
class Previewed extends Error {
  readonly body: z.input<typeof PreviewAnswer>;

  constructor(body: z.input<typeof PreviewAnswer>) {
    super('previewed');
    this.body = body;
  }
}

/**
 * What a push would do now. It is accepted like one, by the same code, in a transaction that is rolled back: so the outcome
 * cannot differ from a push's, and nothing is changed. A push of the same tag waits until it is answered.
 */
export function previewRoute({ pool }: ApiDeps): Route {
  return route({
    method: 'post',
    path: '/api/v1/rollouts/preview',
    tag: 'Rollouts',
    summary: 'The exact plan that a push would make now, changing nothing',
    access: 'operator',
    body: jsonBody(PreviewBody),
    answers: { 200: { description: 'The plan', schema: PreviewAnswer }, 422: { description: 'Not an image or a tag' } },
    async handle({ body, actor }): Promise<Answer> {
      const { digest, force = false, ...named } = body;
      const read = readPush(named);
      if (digest !== undefined && read.digest !== null && read.digest !== digest)
        throw invalidInput([{ path: 'digest', message: `image says ${read.digest}: give one of them` }]);
      const push = { ...read, digest: digest ?? read.digest };
      try {
        await acceptManually(pool, { push, actor, force }, async (client, accepted) => {
          throw new Previewed(await describePush(client, push, accepted));
        });
      } catch (error) {
        if (error instanceof Previewed) return { status: 200, body: error.body };
        throw error;
      }
      throw new Error('a preview was accepted as a push');
    },
  });
}

async function describePush(client: PoolClient, push: Push, accepted: readonly Accepted[]): Promise<Previewed['body']> {
  const { policies, candidates } = await choosePolicies(client, push);
  const parts: z.input<typeof Part>[] = [];
  let { digest } = push;
  for (const one of accepted) {
    const rollout = starts(one) && one.rollout_id !== null ? await readRollout(client, one.rollout_id) : null;
    const plan = rollout === null ? null : await previewPlan(client, rollout);
    // Without a policy of its own, the tag's past has answered: the policy is the one that would have been asked.
    const policy = policies.find(({ id }) => one.policy_id === null || id === one.policy_id);
    digest = rollout?.digest ?? digest;
    parts.push({
      outcome: one.outcome,
      detail: detailOf(one),
      policy:
        policy === undefined ? null : { id: policy.id, pattern: policy.imagePattern, why: policy.why, candidates },
      plan: plan === null || rollout === null ? null : describePlan(plan, rollout.rules),
      plan_hash: plan?.plan_hash ?? null,
    });
  }
  const [first, ...further] = parts;
  if (first === undefined) throw new Error('a push came to nothing at all');
  const planHash = hashOfAll(parts.flatMap((part) => part.plan_hash ?? []));
  return { image: push.imageName, tag: push.tag, digest, ...first, plan_hash: planHash, further };
}

/** Says of a rollout that would be made nothing: its id goes with the transaction. */
function detailOf({ outcome, detail, rollout_id: id }: Accepted): string | null {
  if (outcome === 'running') return `Rollout ${id ?? ''} of this very revision has not ended.`;
  return detail ?? null;
}

function describePlan(
  { batches, left_out, takes_over_from, already_on_target }: PreviewedPlan,
  rules: RolloutRules,
): z.input<typeof PlanAnswer> {
  const timed = batches.map((batch) => ({
    ...batch,
    delay_seconds: batch.delay_seconds ?? (batch.number === 1 ? 0 : rules.batchDelaySeconds),
    soak_seconds: batch.soak_seconds ?? rules.soakSeconds,
  }));
  const seconds = timed.reduce((sum, batch) => sum + batch.delay_seconds + batch.soak_seconds, 0);
  return {
    strategy: rules.strategy,
    requires_approval: rules.requiresApproval,
    counts: {
      planned: timed.reduce((sum, batch) => sum + batch.planned, 0),
      already_on_target,
      left_out: left_out.reduce((sum, reason) => sum + reason.count, 0),
    },
    batches: timed,
    left_out,
    takes_over_from,
    earliest_end: new Date(Date.now() + seconds * 1000).toISOString(),
  };
}
