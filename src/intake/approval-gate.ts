import type { PoolClient } from 'pg';
import { keepWaitingPush, openRequest, readApprovalFacts } from '../db/image-approvals';
import { judgeApproval, replacesWaiting } from '../domain/image-approval';
import type { WaitingPush } from './waiting-push';

export type Passage = { passed: true } | { passed: false; approvalId: string | null; detail: string };

/**
 * Lets a push through whose tag is approved with its very digest. Another one waits in a request: the first opens it, its
 * repetitions find it. Call with the tag locked.
 */
export async function passApproval(client: PoolClient, push: WaitingPush): Promise<Passage> {
  const { image, tag, digest } = push;
  const facts = await readApprovalFacts(client, image, tag, digest);
  const verdict = judgeApproval(push, facts);
  if (verdict.approved) return { passed: true };
  const name = `${image}:${tag}${digest === null ? ' without a digest' : `@${digest}`}`;
  switch (verdict.why) {
    case 'inactive':
      return closed(null, `${image} is switched off in the registry of approved images.`);
    case 'deprecated':
      return closed(null, `${name} is deprecated in the registry of approved images.`);
    case 'rejected': {
      const { id, decisionReason } = verdict.request;
      return closed(id, `${name} was rejected${decisionReason === null ? '' : `: ${decisionReason}`}.`);
    }
    case 'overtaken':
      return closed(verdict.request.id, `${name} is not approved, and a newer push of the tag came after it.`);
    case 'pending':
      if (replacesWaiting(push, verdict.request)) await keepWaitingPush(client, verdict.request.id, push);
      return waiting(verdict.request.id, name);
    case 'unknown': {
      const { imageName, origin } = push;
      const opened = await openRequest(client, {
        ...{ image, imageName, tag, digest, push },
        requestedBy: origin.actor,
        reason: null,
      });
      return waiting(opened.id, name);
    }
  }
}

function waiting(id: string, name: string): Passage {
  return closed(
    id,
    `${name} is not approved. POST /api/v1/image-approvals/${id}/approve approves it and starts this push.`,
  );
}

function closed(approvalId: string | null, detail: string): Passage {
  return { passed: false, approvalId, detail };
}
