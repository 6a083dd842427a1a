/** Whether a push is new, decided from what is known of its tag. docs/adr/0002-when-a-push-is-new.md tells the reasons. */

/** What identifies a push: the digest it points to, the sender's own identity of it, or nothing at all. */
export type RevisionKind = 'digest' | 'push' | 'unidentified';

export interface Revision {
  revision: string;
  kind: RevisionKind;
}

/** A push without digest, event id and time. All of them look alike, so only the first starts a rollout by itself. */
export const unidentifiedRevision = 'unidentified';

/** What makes this push of a tag another than the one before. */
export function revisionOf(push: { digest: string | null; eventId: string | null; pushedAt: string | null }): Revision {
  if (push.digest !== null) return { revision: push.digest, kind: 'digest' };
  if (push.eventId !== null) return { revision: `event:${push.eventId}`, kind: 'push' };
  if (push.pushedAt !== null) return { revision: `pushed-at:${push.pushedAt}`, kind: 'push' };
  return { revision: unidentifiedRevision, kind: 'unidentified' };
}

export interface KnownRollout {
  id: string;
  attempt: number;
  strategy: string;
  /** By the sender's clock, ISO 8601. */
  pushedAt: string | null;
  ended: boolean;
  /** It is being put back, during its run or after its end: a hold is about to follow. */
  rollingBack: boolean;
}

/** The past of one image and tag, as far as it matters for one revision. */
export interface TagHistory {
  /** The rollout of this tag that was accepted last, of whatever revision. */
  newest: KnownRollout | null;
  /** The last attempt of this very revision. */
  same: KnownRollout | null;
  holdReason: string | null;
  /** An operator lifted a hold on this revision after its last attempt had ended. */
  holdLifted: boolean;
}

export interface AskedPush {
  kind: RevisionKind;
  pushedAt: string | null;
  force: boolean;
}

export type Acceptance =
  | { accept: true; attempt: number; supersedes: string | null }
  | { accept: false; why: 'duplicate' | 'running'; rollout: KnownRollout }
  | { accept: false; why: 'held'; reason: string }
  | { accept: false; why: 'late'; rollout: KnownRollout };

/** The newest rollout of a tag answers for its revision whatever became of it; an operator alone may say otherwise. */
export function judgePush(asked: AskedPush, history: TagHistory): Acceptance {
  const { newest, same } = history;
  const accepted: Acceptance = {
    accept: true,
    attempt: (same?.attempt ?? 0) + 1,
    supersedes: newest !== null && !newest.ended ? newest.id : null,
  };
  if (asked.force) return same !== null && !same.ended ? { accept: false, why: 'running', rollout: same } : accepted;
  if (history.holdReason !== null) return { accept: false, why: 'held', reason: history.holdReason };
  if (same !== null) {
    if (same.ended && history.holdLifted) return accepted;
    if (same.rollingBack) return { accept: false, why: 'duplicate', rollout: same };
    const movedBack =
      asked.kind === 'digest' &&
      newest !== null &&
      newest.id !== same.id &&
      !isOlder(asked, newest) &&
      !isSameMoment(asked, same);
    return movedBack ? accepted : { accept: false, why: 'duplicate', rollout: same };
  }
  if (newest !== null && isOlder(asked, newest)) return { accept: false, why: 'late', rollout: newest };
  return accepted;
}

function isOlder(asked: AskedPush, than: KnownRollout): boolean {
  return asked.pushedAt !== null && than.pushedAt !== null && Date.parse(asked.pushedAt) < Date.parse(than.pushedAt);
}

function isSameMoment(asked: AskedPush, as: KnownRollout): boolean {
  return asked.pushedAt !== null && as.pushedAt !== null && Date.parse(asked.pushedAt) === Date.parse(as.pushedAt);
}
