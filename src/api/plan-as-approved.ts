import type { PoolClient } from 'pg';
import { readRequest } from '../db/image-approvals';
import { approveTag } from '../db/image-tags';
import { revisionOf } from '../domain/acceptance';
import { acceptPush, type Accepted } from '../intake/accept-push';
import type { Push } from '../intake/push';

/**
 * Accepts a push for the policies that wait for an approval as if it were given, so that its plan is known to whoever decides
 * about it. Only for a transaction that is rolled back. What is closed otherwise, rejected or switched off, stays so.
 * @returns by the result that waits, what it would come to.
 */
export async function acceptAsApproved(
  client: PoolClient,
  { push, actor, force }: { push: Push; actor: string; force: boolean },
  accepted: readonly Accepted[],
): Promise<Map<Accepted, Accepted>> {
  const waiting = accepted.filter((one) => one.outcome === 'not_approved');
  const id = waiting[0]?.approval_id;
  const request = id === undefined ? null : await readRequest(client, id);
  if (request?.status !== 'pending') return new Map();
  const { image, image_name: name, tag, digest } = request;
  await approveTag(client, { image, name, tag, digest, approvedBy: actor });
  const revision = push.digest === null ? null : revisionOf(push);
  const decided = accepted.flatMap((one) => (one.outcome === 'not_approved' ? [] : (one.policy_id ?? [])));
  const origin = { trigger: 'manual' as const, actor, force, delivery: null };
  const then = await acceptPush(client, push, revision, origin, decided);
  return new Map(
    waiting.flatMap((one) => {
      const found = then.find((result) => result.policy_id === one.policy_id);
      return found === undefined ? [] : [[one, found] as const];
    }),
  );
}
