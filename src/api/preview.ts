import type { PoolClient } from 'pg';
import { z } from 'zod';
import { freezesAhead } from '../db/freezes-ahead';
import { isNewRequest } from '../db/image-approvals';
import { keepPlans, type KeptPlan } from '../db/plan-previews';
import { previewPlan } from '../db/preview-plan';
import { readRollout, type RolloutFacts } from '../db/rollout-facts';
import type { TimedFreeze } from '../domain/plan-times';
import { acceptManually } from '../intake/accept';
import { starts, type Accepted, outcomes } from '../intake/accept-push';
import { jsonBody } from './body';
import { choosePolicies } from '../intake/choose-policy';
import type { ApiDeps } from './deps';
import { Digest, Uuid } from './fields';
import { acceptAsApproved } from './plan-as-approved';
import { PlanAnswer, planAnswer } from './plan-answer';
import { hashOfAll } from './plan-hash';
import { invalidInput } from './problem';
import type { Push } from '../intake/push';
import { route, type Answer, type Route } from './route';
import { readPush } from './trigger-update';

const PreviewBody = z.strictObject({
  image: z.string().min(1).max(512),
  tag: z.string().min(1).max(128).optional().describe('May stand in `image` instead.'),
  digest: Digest.optional(),
  force: z.boolean().optional().describe('As in `/images/trigger-update`.'),
  as: z
    .enum(['webhook', 'manual'])
    .default('webhook')
    .describe(
      'Whose push it is: `manual`, as by `/images/trigger-update`, is bound by fewer freezes. The plan is the same.',
    ),
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
  plan: PlanAnswer.nullable().describe(
    'Null when a push would start nothing; where it would be `not_approved`, the plan that it would get if the image were approved now.',
  ),
  plan_hash: z
    .string()
    .nullable()
    .describe('Null when a push would start nothing, so also for what is not approved yet.'),
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
  readonly plans: readonly KeptPlan[];

  constructor({ body, plans }: Pick<Previewed, 'body' | 'plans'>) {
    super('previewed');
    this.body = body;
    this.plans = plans;
  }
}

/**
 * What a push would do now. It is accepted like one, by the same code, in a transaction that is rolled back: so the outcome
 * cannot differ from a push's, and nothing is changed. A push of the same tag waits until it is answered. What was shown is
 * kept afterwards, so that it can be said by which devices a plan has changed since.
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
      const { digest, force = false, as, ...named } = body;
      const read = readPush(named);
      if (digest !== undefined && read.digest !== null && read.digest !== digest)
        throw invalidInput([{ path: 'digest', message: `image says ${read.digest}: give one of them` }]);
      const push = { ...read, digest: digest ?? read.digest };
      try {
        await acceptManually(pool, { push, actor, force }, async (client, accepted) => {
          throw new Previewed(await describePush(client, { push, actor, force, byHand: as === 'manual' }, accepted));
        });
      } catch (error) {
        if (!(error instanceof Previewed)) throw error;
        await keepPlans(pool, error.plans);
        return { status: 200, body: error.body };
      }
      throw new Error('a preview was accepted as a push');
    },
  });
}

interface AskedPreview {
  push: Push;
  actor: string;
  force: boolean;
  byHand: boolean;
}

async function describePush(
  client: PoolClient,
  asked: AskedPreview,
  accepted: readonly Accepted[],
): Promise<Pick<Previewed, 'body' | 'plans'>> {
  const { push, byHand } = asked;
  const { policies, candidates } = await choosePolicies(client, push);
  const freezes = await freezesAhead(client, push, byHand);
  const asApproved = await acceptAsApproved(client, asked, accepted);
  const parts: z.input<typeof Part>[] = [];
  const plans: KeptPlan[] = [];
  let { digest } = push;
  for (const one of accepted) {
    const rollout = await rolloutOf(client, asApproved.get(one) ?? one);
    const plan = rollout === null ? null : await previewPlan(client, rollout, fleetsOf(freezes));
    // Without a policy of its own, the tag's past has answered: the policy is the one that would have been asked.
    const policy = policies.find(({ id }) => one.policy_id === null || id === one.policy_id);
    digest = rollout?.digest ?? digest;
    const hash = plan !== null && starts(one) ? plan.kept.plan_hash : null;
    if (plan !== null && hash !== null) plans.push(plan.kept);
    parts.push({
      outcome: one.outcome,
      detail: await detailOf(client, one),
      policy:
        policy === undefined ? null : { id: policy.id, pattern: policy.imagePattern, why: policy.why, candidates },
      plan: plan === null || rollout === null ? null : planAnswer(plan, rollout.rules, freezes),
      plan_hash: hash,
    });
  }
  const [first, ...further] = parts;
  if (first === undefined) throw new Error('a push came to nothing at all');
  const planHash = hashOfAll(plans.map((plan) => plan.plan_hash));
  return { body: { image: push.imageName, tag: push.tag, digest, ...first, plan_hash: planHash, further }, plans };
}

async function rolloutOf(client: PoolClient, accepted: Accepted): Promise<RolloutFacts | null> {
  return starts(accepted) && accepted.rollout_id !== null ? readRollout(client, accepted.rollout_id) : null;
}

function fleetsOf(freezes: readonly TimedFreeze[]): string[] {
  return freezes.flatMap(({ fleetId }) => fleetId ?? []);
}

/** Says of a rollout, or a request, that would be made nothing: its id goes with the transaction. */
async function detailOf(client: PoolClient, accepted: Accepted): Promise<string | null> {
  const { outcome, detail, rollout_id: id, approval_id: request } = accepted;
  if (outcome === 'running') return `Rollout ${id ?? ''} of this very revision has not ended.`;
  if (request !== undefined && (await isNewRequest(client, request)))
    return 'It is not approved. A push opens a request at /api/v1/image-approvals and waits for its decision.';
  return detail ?? null;
}
