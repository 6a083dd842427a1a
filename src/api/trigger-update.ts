import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { KeptPlan } from '../db/plan-previews';
import { previewPlan } from '../db/preview-plan';
import { readRollout } from '../db/rollout-facts';
import { isValidTag, parseImageReference } from '../domain/image-reference';
import { fitsWorkflowId } from '../domain/ids';
import { acceptManually } from '../intake/accept';
import { starts, type Accepted } from '../intake/accept-push';
import { jsonBody } from './body';
import type { ApiDeps } from './deps';
import { endIfLost } from './lost-rollouts';
import { PlanChanged, planChangedProblem, requirePlans } from './plan-changed';
import { PlanHash } from './plan-hash';
import { HttpProblem, invalidInput } from './problem';
import type { Push } from '../intake/push';
import { route, type Answer, type Route } from './route';
import { webhookAnswer, WebhookAnswer } from './webhook-answer';

const TriggerUpdate = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .max(512)
      .describe(
        'Any form of the name: `redis`, `docker.io/library/redis:7.5-alpine`, `registry.acme.io/app@sha256:...`.',
      ),
    tag: z.string().min(1).max(128).optional().describe('May stand in `image` instead; both must then agree.'),
    force: z
      .boolean()
      .optional()
      .describe('Make a new attempt although this revision had a rollout, and pass over a hold without lifting it.'),
    plan_hash: PlanHash.optional().describe('Of a preview: refused when the plan has changed since.'),
  })
  .meta({ example: { image: 'redis', tag: '7.5-alpine', force: true } });
type TriggerUpdate = z.infer<typeof TriggerUpdate>;

/** An operator's push: accepted like a registry's. */
export function triggerUpdateRoute({ pool, dispatcher, temporal }: ApiDeps): Route {
  return route({
    method: 'post',
    path: '/api/v1/images/trigger-update',
    tag: 'Rollouts',
    summary: 'Roll out an image and tag, as if its registry had announced it',
    access: 'operator',
    body: jsonBody(TriggerUpdate),
    answers: {
      202: { description: 'As a webhook', schema: WebhookAnswer },
      403: { description: '`not_approved`: the image waits for approval', schema: WebhookAnswer },
      409: {
        description:
          '`force` while this very revision is still being rolled out, or a `plan_hash` whose plan has changed: `difference` says by which devices',
      },
      422: { description: 'Not an image or a tag' },
    },
    async handle({ body, actor }): Promise<Answer> {
      const push = readPush(body);
      const accept = (before: readonly Accepted[]): Promise<Accepted[]> =>
        acceptManually(pool, { push, actor, force: body.force ?? false, before }, async (client, accepted) => {
          if (body.plan_hash !== undefined) await requirePlansOf(client, accepted, body.plan_hash);
        }).catch(async (error: unknown) => {
          if (!(error instanceof PlanChanged) || body.plan_hash === undefined) throw error;
          throw await planChangedProblem(pool, body.plan_hash, error.now);
        });
      let accepted = await accept([]);
      // What runs by its row alone has lost its workflow: no command reaches it, and only this gets past it.
      if (await endLost({ pool, temporal }, accepted.filter(isRunning)))
        accepted = await accept(accepted.filter((one) => !isRunning(one)));
      const running = accepted.find(isRunning);
      if (running !== undefined && !accepted.some(starts)) {
        throw new HttpProblem(
          409,
          'rollout-running',
          `rollout ${running.rollout_id ?? ''} of this very revision has not ended: cancel it first, or wait for its end`,
          {
            members: { rollout_id: running.rollout_id },
          },
        );
      }
      dispatcher.wake();
      return webhookAnswer([{ item: { kind: 'push', push } }], [accepted], 'Update processed successfully');
    },
  });
}

/** @throws PlanChanged */
async function requirePlansOf(client: PoolClient, accepted: readonly Accepted[], previewed: string): Promise<void> {
  const plans: KeptPlan[] = [];
  for (const { rollout_id: id } of accepted.filter(starts)) {
    const rollout = id === null ? null : await readRollout(client, id);
    if (rollout !== null) plans.push((await previewPlan(client, rollout)).kept);
  }
  requirePlans(previewed, plans);
}

function isRunning({ outcome }: Accepted): boolean {
  return outcome === 'running';
}

/** @returns whether any of them had lost its workflow, and is ended now. */
async function endLost(deps: Pick<ApiDeps, 'pool' | 'temporal'>, running: readonly Accepted[]): Promise<boolean> {
  let any = false;
  for (const { rollout_id: id } of running) any = (await endIfLost(deps, id)) || any;
  return any;
}

export function readPush({ image: text, tag: asked }: Pick<TriggerUpdate, 'image' | 'tag'>): Push {
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw invalidInput([{ path: 'image', message: parsed.error }]);
  const { registry, repository, image, name, tag: written, digest } = parsed.reference;
  if (asked !== undefined && !isValidTag(asked))
    throw invalidInput([
      { path: 'tag', message: 'must be letters, digits, "_", "." and "-", at most 128, and not begin with "." or "-"' },
    ]);
  if (asked !== undefined && written !== null && written !== asked) {
    throw invalidInput([{ path: 'tag', message: `image says ${written}, tag says ${asked}: give one of them` }]);
  }
  const tag = asked ?? written;
  if (tag === null)
    throw invalidInput([{ path: 'tag', message: 'say which tag to roll out; latest is never assumed' }]);
  if (!fitsWorkflowId(image, tag))
    throw invalidInput([{ path: 'image', message: 'image and tag together are too long to name a workflow' }]);
  return { registry, repository, image, imageName: name, tag, digest, eventId: null, pushedAt: null };
}
