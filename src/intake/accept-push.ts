import type { PoolClient } from 'pg';
import { insertRollout, readTagFacts, type TagFacts } from '../db/accept-push';
import { joinPush } from '../db/join-push';
import type { StoredResult } from '../db/deliveries';
import { judgePush, type Acceptance, type KnownRollout, type Revision } from '../domain/acceptance';
import { firstLane, fitsWorkflowId, rolloutWorkflowId } from '../domain/ids';
import { passApproval, type Passage } from './approval-gate';
import { choosePolicies, refusedByTagRule, type ChosenPolicy } from './choose-policy';
import type { Push } from './push';
import type { Origin } from './waiting-push';

export const outcomes = [
  'started',
  'superseding',
  'queued',
  'duplicate',
  'held',
  'no_matching_policy',
  'not_eligible',
  'not_approved',
  'ignored',
  'running',
  'refused',
] as const;
export type Outcome = (typeof outcomes)[number];

/** What a push came to under one policy. */
export interface Accepted extends StoredResult {
  outcome: Outcome;
  /** Null where no policy decided. */
  policy_id: string | null;
  /** One sentence that says why, where the outcome alone does not. */
  detail?: string;
  /** The request that `not_approved` waits for. */
  approval_id?: string;
}

/** True where a new rollout was accepted. */
export function starts({ outcome }: Pick<Accepted, 'outcome'>): boolean {
  return outcome === 'started' || outcome === 'superseding' || outcome === 'queued';
}

/** The one that speaks for all: the first that started something, else the first. */
export function leading(accepted: readonly Accepted[]): Accepted | undefined {
  return accepted.find(starts) ?? accepted[0];
}

interface AskedPush {
  push: Push;
  revision: Revision | null;
  origin: Origin;
  /** Of all policies that decide about it. */
  lanes: string[];
}

/**
 * Accepts a push under each policy that decides about it, in their order. `decided` are ids of policies that have answered this
 * push already: they are not asked again, and may be all there are. Call with the tag locked.
 */
export async function acceptPush(
  client: PoolClient,
  push: Push,
  revision: Revision | null,
  origin: Origin,
  decided: readonly string[] = [],
): Promise<Accepted[]> {
  const { policies } = await choosePolicies(client, push);
  const asked = { push, revision, origin, lanes: policies.map((policy) => policy.lane) };
  if (policies.length === 0) return decided.length > 0 ? [] : [await withoutPolicy(client, asked)];
  let passage: Passage | undefined;
  // The decision is about tag and digest: one request for all policies that need it.
  const pass = async (digest: string | null, known: Revision): Promise<Passage> =>
    (passage ??= await passApproval(client, {
      ...{ ...push, digest, revision: known, origin },
      decided: policies.filter((policy) => !policy.requiresApprovedImage).map((policy) => policy.id),
    }));
  const results: Accepted[] = [];
  for (const policy of policies)
    if (!decided.includes(policy.id)) results.push(await acceptUnder(client, policy, asked, pass));
  return results;
}

/** A tag's past answers first, as it does where a policy decides: what was rolled out once is a duplicate, or held. */
async function withoutPolicy(client: PoolClient, { push, revision: asked, origin }: AskedPush): Promise<Accepted> {
  const { image, tag } = push;
  const lane = { lane: firstLane, policyId: null, workflowId: rolloutWorkflowId(image, tag) };
  const facts = await readTagFacts(client, image, tag, asked?.revision ?? null, lane);
  const judged = judgePush({ kind: asked?.kind ?? 'push', pushedAt: push.pushedAt, force: origin.force }, facts);
  if (!judged.accept) return refused(judged, facts, null);
  const detail = `No enabled policy matches ${image}:${tag}. Make one with POST /api/v1/image-policies, then send this again.`;
  return nothing('no_matching_policy', detail, null);
}

async function acceptUnder(
  client: PoolClient,
  policy: ChosenPolicy,
  { push, revision: asked, origin, lanes }: AskedPush,
  pass: (digest: string | null, revision: Revision) => Promise<Passage>,
): Promise<Accepted> {
  const { image, tag, pushedAt } = push;
  const { id: policyId, lane, rules } = policy;
  const workflowId = rolloutWorkflowId(image, tag, lane);
  const facts = await readTagFacts(client, image, tag, asked?.revision ?? null, { lane, policyId, workflowId });
  const kind = asked?.kind ?? 'push';
  const judged = judgePush({ kind, pushedAt, force: origin.force }, facts);
  if (!judged.accept) {
    const late = judged.why === 'late' ? await joinLate(client, facts, push, origin, judged.rollout) : null;
    return late === null ? refused(judged, facts, policyId) : { ...late, policy_id: policyId };
  }

  const keptBack = refusedByTagRule(policy, push);
  if (keptBack !== null) return nothing('not_eligible', keptBack, policyId);
  if (!fitsWorkflowId(image, tag, lane))
    return nothing('not_eligible', 'Image and tag together are too long to name a second workflow.', policyId);
  const digest = push.digest ?? (asked === null ? facts.digest : null);
  if (policy.requiresApprovedImage) {
    const passage = await pass(digest, { revision: facts.revision, kind });
    if (!passage.passed) {
      const { approvalId, detail } = passage;
      return {
        ...nothing('not_approved', detail, policyId),
        ...(approvalId === null ? {} : { approval_id: approvalId }),
      };
    }
  }
  // The lane may have had this revision for another policy.
  const attempt = Math.max(judged.attempt, facts.attempts + 1);
  const joined = await joinGathering(client, facts, { ...push, digest, revision: facts.revision, attempt }, origin);
  if (joined !== null) return { ...joined, policy_id: policyId };
  const rolloutId = await insertRollout(client, {
    ...{ image, tag, digest, lane, lanes, policyId, workflowId, rules, pushedAt },
    imageName: push.imageName,
    registry: push.registry,
    repository: push.repository,
    revision: facts.revision,
    attempt,
    selection: policy.selection,
    trigger: origin.trigger,
    actor: origin.actor,
    deliveryId: origin.delivery?.id ?? null,
    debounceSeconds: origin.debounceSeconds ?? 0,
    origin: {
      source: origin.delivery?.source ?? null,
      event_id: push.eventId,
      pushed_at: pushedAt,
      digest,
      image_name: push.imageName,
      force: origin.force,
    },
  });
  return {
    ...startOf(rules.onNewer, judged, facts, image),
    policy_id: policyId,
    rollout_id: rolloutId,
    strategy: rules.strategy,
  };
}

/**
 * One push, several events: while its rollout gathers, an event that does not say otherwise (another digest) is about the same
 * push. A digest that only a later event knows becomes the rollout's.
 */
async function joinGathering(
  client: PoolClient,
  { gathering }: TagFacts,
  push: Push & { revision: string; attempt: number },
  { trigger, force, delivery }: Origin,
): Promise<Omit<Accepted, 'policy_id'> | null> {
  if (gathering === null || trigger !== 'webhook' || force) return null;
  if (push.digest !== null && gathering.digest !== null && push.digest !== gathering.digest) return null;
  const { digest, revision, attempt, eventId } = push;
  const said = { source: delivery?.source ?? null, event_id: eventId, digest };
  if (!(await joinPush(client, gathering.id, { digest, revision, attempt, said }))) return null;
  const detail = `It is another event of a push that rollout ${gathering.id} was accepted for a moment ago, and is joined to it.`;
  return { outcome: 'duplicate', rollout_id: gathering.id, strategy: gathering.strategy, detail };
}

/**
 * Of one push, events come in any order. One that names no digest, and is older by no more than events are gathered for, may be of
 * the push that is gathered for; one that names a digest that is not known, or is older than that, is of a push before it.
 */
async function joinLate(
  client: PoolClient,
  facts: TagFacts,
  push: Push,
  origin: Origin,
  newer: KnownRollout,
): Promise<Omit<Accepted, 'policy_id'> | null> {
  if (push.digest !== null || facts.gathering?.id !== newer.id) return null;
  if (secondsBetween(push.pushedAt, newer.pushedAt) > (origin.debounceSeconds ?? 0)) return null;
  return joinGathering(client, facts, { ...push, revision: facts.revision, attempt: facts.attempts }, origin);
}

function secondsBetween(earlier: string | null, later: string | null): number {
  return earlier === null || later === null ? Infinity : (Date.parse(later) - Date.parse(earlier)) / 1000;
}

function startOf(
  onNewer: ChosenPolicy['rules']['onNewer'],
  { supersedes }: Extract<Acceptance, { accept: true }>,
  { unended }: TagFacts,
  image: string,
): Pick<Accepted, 'outcome' | 'detail'> {
  if (onNewer === 'supersede') return { outcome: supersedes === null ? 'started' : 'superseding' };
  if (unended === null) return { outcome: 'started' };
  const detail = `It waits until rollout ${unended.id} (${image}:${unended.tag}) has ended: the policy says "on_newer": "queue".`;
  return { outcome: 'queued', detail };
}

function refused(
  judged: Extract<Acceptance, { accept: false }>,
  { hold, same }: TagFacts,
  policyId: string | null,
): Accepted {
  switch (judged.why) {
    case 'duplicate':
      return duplicate(judged.rollout, policyId);
    case 'running':
      return {
        outcome: 'running',
        policy_id: policyId,
        rollout_id: judged.rollout.id,
        strategy: judged.rollout.strategy,
      };
    case 'held':
      if (hold === null) throw new Error('a push is held back by no hold');
      return held(hold, { id: hold.rolloutId, strategy: same?.strategy ?? null }, policyId);
    case 'late':
      return nothing(
        'ignored',
        `The tag was pushed again after this push; rollout ${judged.rollout.id} is for the newer one.`,
        policyId,
      );
  }
}

const ANOTHER_ATTEMPT = '{"force": true} on POST /api/v1/images/trigger-update starts another attempt';

export function duplicate(
  { id, strategy }: { id: string; strategy: string | null },
  policyId: string | null,
): Accepted {
  const detail = `This push already has a rollout, ${id}; nothing new was started. ${ANOTHER_ATTEMPT}.`;
  return { outcome: 'duplicate', policy_id: policyId, rollout_id: id, strategy, detail };
}

export function held(
  hold: { id: string; reason: string },
  rollout: { id: string | null; strategy: string | null },
  policyId: string | null,
): Accepted {
  const detail = `This revision is held back: ${hold.reason}. DELETE /api/v1/holds/${hold.id} lifts the hold: a new push of the tag, or an update triggered by hand, then starts it. ${ANOTHER_ATTEMPT} at once and leaves the hold.`;
  return { outcome: 'held', policy_id: policyId, rollout_id: rollout.id, strategy: rollout.strategy, detail };
}

export function nothing(outcome: Outcome, detail: string, policyId: string | null): Accepted {
  return { outcome, policy_id: policyId, rollout_id: null, strategy: null, detail };
}
