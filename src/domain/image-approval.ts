/** Whether a push of an image that needs approval is let through, decided from the registry of approved images. */

export interface KnownRequest {
  id: string;
  status: 'pending' | 'approved' | 'rejected' | 'expired';
  decisionReason: string | null;
  /** Of the push that waits for it. */
  eventId: string | null;
  /** By the sender's clock, ISO 8601. */
  pushedAt: string | null;
}

/** What is known of one image, tag and digest; "none" is a digest of its own. */
export interface ApprovalFacts {
  /** False where an operator switched the image off; an image that is not listed is no such. */
  active: boolean;
  approved: boolean;
  deprecated: boolean;
  /** The newest request for exactly this tag and digest. */
  latest: KnownRequest | null;
  /** A pending request for the same tag with another digest. */
  other: KnownRequest | null;
}

export type ApprovalVerdict =
  | { approved: true }
  | { approved: false; why: 'inactive' | 'deprecated' }
  | { approved: false; why: 'rejected' | 'overtaken' | 'pending'; request: KnownRequest }
  | { approved: false; why: 'unknown' };

type AskedPush = Pick<KnownRequest, 'eventId' | 'pushedAt'>;

/**
 * An approval is for a digest: the same tag with another one needs its own. What an admin switched off, deprecated or
 * rejected stays closed, and no push opens another request for it.
 */
export function judgeApproval(asked: AskedPush, facts: ApprovalFacts): ApprovalVerdict {
  const { active, approved, deprecated, latest, other } = facts;
  if (!active) return { approved: false, why: 'inactive' };
  if (deprecated) return { approved: false, why: 'deprecated' };
  if (approved) return { approved: true };
  if (latest?.status === 'rejected') return { approved: false, why: 'rejected', request: latest };
  if (latest?.status === 'pending') return { approved: false, why: 'pending', request: latest };
  // The registry says again what a newer push of the tag has made old.
  if (latest?.status === 'expired' && isSamePush(asked, latest))
    return { approved: false, why: 'overtaken', request: latest };
  if (other !== null && isOlder(asked, other)) return { approved: false, why: 'overtaken', request: other };
  return { approved: false, why: 'unknown' };
}

/** Of two pushes that wait for the same decision the newer is kept; one that does not say when counts as newer. */
export function replacesWaiting(asked: AskedPush, waiting: AskedPush): boolean {
  return !isOlder(asked, waiting);
}

function isSamePush(one: AskedPush, other: AskedPush): boolean {
  if (one.eventId !== null || other.eventId !== null) return one.eventId === other.eventId;
  return one.pushedAt !== null && one.pushedAt === other.pushedAt;
}

function isOlder(asked: AskedPush, than: AskedPush): boolean {
  return asked.pushedAt !== null && than.pushedAt !== null && Date.parse(asked.pushedAt) < Date.parse(than.pushedAt);
}
