import { z } from 'zod';
import { strategies } from '../domain/rules';
import { describeItem, type KeyedItem } from '../intake/accept';
import { outcomes, starts, type Accepted } from '../intake/accept-push';
import type { Answer } from './route';

const Result = z.object({
  registry: z.string().nullable(),
  repository: z.string(),
  tag: z.string().nullable(),
  digest: z.string().nullable(),
  event_id: z.string().nullable(),
  outcome: z.enum(outcomes),
  policy_id: z.string().nullable().describe('The policy that decided; several may decide about one push.'),
  rollout_id: z.string().nullable(),
  strategy: z.enum(strategies).nullable(),
  detail: z.string().optional(),
  approval_id: z.string().optional(),
});
export const WebhookAnswer = z.object({
  message: z.string(),
  rollout_id: z.string().nullable(),
  strategy: z.enum(strategies).nullable(),
  image: z.string().nullable(),
  tag: z.string().nullable(),
  outcome: z.enum(outcomes),
  approval_id: z.string().optional(),
  results: z.array(Result),
});

/**
 * One result a push and policy. The first that started something, else the first, is repeated at the top, where the senders
 * and scripts of the system before look for it.
 */
export function webhookAnswer(
  items: readonly Pick<KeyedItem, 'item'>[],
  accepted: readonly (readonly Accepted[])[],
  processed = 'Webhook processed successfully',
): Answer {
  const all = items.flatMap(({ item }, index) => (accepted[index] ?? []).map((result) => ({ item, result })));
  const results = all.map(({ item, result }) => ({
    ...describeItem(item),
    outcome: result.outcome,
    policy_id: result.policy_id,
    rollout_id: result.rollout_id,
    strategy: result.strategy,
    ...detailOf(result),
    ...approvalOf(result),
  }));
  const first = all.find(({ result }) => starts(result)) ?? all[0];
  if (first === undefined) throw new Error('an answer needs a result');
  const { item: about, result } = first;
  const body = {
    message: result.detail ?? processed,
    rollout_id: result.rollout_id,
    strategy: result.strategy,
    image: about.kind === 'push' ? about.push.imageName : about.unusable.imageName,
    tag: about.kind === 'push' ? about.push.tag : about.unusable.tag,
    outcome: result.outcome,
    ...approvalOf(result),
    results,
  };
  return { status: statusOf(all.map((one) => one.result)), body };
}

function statusOf(accepted: readonly Accepted[]): number {
  if (accepted.every((one) => one.outcome === 'ignored')) return 200;
  return accepted.every((one) => one.outcome === 'not_approved') ? 403 : 202;
}

/** For a delivery in which nothing was pushed: understood, and of no concern. */
export function ignoredAnswer(skipped: readonly string[]): Answer {
  const counts = new Map<string, number>();
  for (const what of skipped) counts.set(what, (counts.get(what) ?? 0) + 1);
  const said = [...counts].map(([what, count]) => `${String(count)} ${what}`).join(', ');
  const message = said === '' ? 'Ignored: the delivery holds no events' : `Ignored: no tag was pushed (${said})`;
  return {
    status: 200,
    body: { message, rollout_id: null, strategy: null, image: null, tag: null, outcome: 'ignored', results: [] },
  };
}

function detailOf(result: Accepted): { detail?: string } {
  return result.detail === undefined ? {} : { detail: result.detail };
}

function approvalOf(result: Accepted): { approval_id?: string } {
  return result.approval_id === undefined ? {} : { approval_id: result.approval_id };
}
