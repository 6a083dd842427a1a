import type { Pool, PoolClient } from 'pg';
import { lockTags } from '../db/accept-push';
import { deliveryExists } from '../db/deliveries';
import {
  decideRequest,
  noteOutcome,
  openRequest,
  readApprovalFacts,
  readRequest,
  readWaitingPush,
  type ApprovalRequestRow,
} from '../db/image-approvals';
import { approveTag } from '../db/image-tags';
import { addRejectionReason } from '../db/rejection-reason';
import { inTransaction } from '../db/transaction';
import type { ImageReference } from '../domain/image-reference';
import { acceptPush, leading, starts } from '../intake/accept-push';
import { HttpProblem, notFound } from './problem';
import type { WaitingPush } from '../intake/waiting-push';

export interface Decider {
  actor: string;
  reason: string | null;
}

/**
 * Lists the image as approved and accepts the push that waits for it, in one transaction, under the lock that every
 * acceptance of the tag takes. Whoever comes second finds it decided, and is given the same answer.
 * @throws HttpProblem 404, or 409 where it cannot be approved any more.
 */
export async function approveRequest(pool: Pool, id: string, decider: Decider): Promise<ApprovalRequestRow> {
  const decided = await decide(pool, id, async (client, request) => {
    if (request.status === 'approved') return request;
    if (request.status !== 'pending') return refused(request);
    const { image, image_name: name, tag, digest } = request;
    const { active, deprecated } = await readApprovalFacts(client, image, tag, digest);
    if (!active || deprecated) {
      const why = active ? `${image}:${tag} is deprecated` : `${image} is switched off`;
      return conflict('image-closed', `${why}: change that first (/api/v1/images)`);
    }
    const { push, overtakenBy } = await readWaitingPush(client, id);
    if (overtakenBy !== null) {
      const reason = `rollout ${overtakenBy} of a newer push of the tag was accepted meanwhile`;
      const expired = await decideRequest(client, id, { status: 'expired', by: 'fleetwave', reason });
      return refused(expired ?? request);
    }
    await approveTag(client, { image, name, tag, digest, approvedBy: decider.actor });
    const approved = await decideRequest(client, id, { status: 'approved', by: decider.actor, reason: decider.reason });
    return push === null || approved === null ? (approved ?? request) : startWaiting(client, id, push as WaitingPush);
  });
  if (decided instanceof HttpProblem) throw decided;
  return decided;
}

/**
 * Keeps the push out, and its repetitions, until somebody asks again. Once more with a reason gives it to a rejection that has none.
 * @throws HttpProblem 404, 409 where it is decided otherwise, or for another reason.
 */
export async function rejectRequest(pool: Pool, id: string, decider: Decider): Promise<ApprovalRequestRow> {
  const decided = await decide(pool, id, async (client, request) => {
    if (request.status === 'rejected') return rejectAgain(client, request, decider);
    if (request.status !== 'pending') return refused(request);
    const rejected = await decideRequest(client, id, { status: 'rejected', by: decider.actor, reason: decider.reason });
    return rejected ?? request;
  });
  if (decided instanceof HttpProblem) throw decided;
  return decided;
}

/** A reason that is not kept must not look as if it were. */
async function rejectAgain(
  client: PoolClient,
  request: ApprovalRequestRow,
  { reason }: Decider,
): Promise<ApprovalRequestRow | HttpProblem> {
  if (reason === null || reason === request.decision_reason) return request;
  if (request.decision_reason !== null)
    return conflict(
      'approval-decided',
      `${request.decided_by ?? 'somebody'} has rejected this request already: ${request.decision_reason}`,
    );
  await addRejectionReason(client, request.id, reason);
  return { ...request, decision_reason: reason };
}

/**
 * Asks for an approval ahead of a push, or again after a rejection. Asked twice it is the same request.
 * @throws HttpProblem 409 where there is nothing to ask for.
 */
export async function requestApproval(
  pool: Pool,
  asked: Pick<ImageReference, 'image' | 'name'> & { tag: string; digest: string | null },
  asker: Decider,
): Promise<{ opened: boolean; request: ApprovalRequestRow }> {
  const { image, name, tag, digest } = asked;
  return inTransaction(pool, async (client) => {
    await lockTags(client, [`${image}:${tag}`]);
    const { active, approved, deprecated, latest } = await readApprovalFacts(client, image, tag, digest);
    if (!active || deprecated)
      throw conflict('image-closed', 'it is deprecated or switched off: an admin changes that at /api/v1/images');
    if (approved) throw conflict('already-approved', 'it is approved already');
    const pending = latest?.status === 'pending' ? await readRequest(client, latest.id) : null;
    if (pending !== null) return { opened: false, request: pending };
    const request = await openRequest(client, {
      ...{ image, imageName: name, tag, digest, push: null },
      requestedBy: asker.actor,
      reason: asker.reason,
    });
    return { opened: true, request };
  });
}

/** A refusal is returned, not thrown: what was noted with it is kept. */
function decide<Answer>(
  pool: Pool,
  id: string,
  work: (client: PoolClient, request: ApprovalRequestRow) => Promise<Answer>,
): Promise<Answer> {
  return inTransaction(pool, async (client) => {
    const named = await readRequest(client, id);
    if (named === null) throw notFound('approval request', id);
    await lockTags(client, [`${named.image}:${named.tag}`]);
    return work(client, (await readRequest(client, id)) ?? named);
  });
}

/** Starts it for each policy that waited; the request names the first of their rollouts. */
async function startWaiting(client: PoolClient, id: string, push: WaitingPush): Promise<ApprovalRequestRow> {
  const { origin, revision, decided = [] } = push;
  const kept = origin.delivery !== null && (await deliveryExists(client, origin.delivery.id));
  const delivery = kept ? origin.delivery : null;
  const accepted = await acceptPush(client, push, revision, { ...origin, delivery, debounceSeconds: 0 }, decided);
  const first = leading(accepted);
  return noteOutcome(client, id, {
    outcome: first?.outcome ?? 'no_matching_policy',
    rolloutId: first?.rollout_id ?? null,
    started: accepted.filter(starts).flatMap(({ rollout_id: started }) => started ?? []),
  });
}

function refused(request: ApprovalRequestRow): HttpProblem {
  const why = request.decision_reason === null ? '' : ` (${request.decision_reason})`;
  return conflict(
    'approval-decided',
    `this request is ${request.status}${why}; POST /api/v1/image-approvals asks again`,
  );
}

function conflict(code: string, detail: string): HttpProblem {
  return new HttpProblem(409, code, detail);
}
