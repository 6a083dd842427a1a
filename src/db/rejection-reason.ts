import type { PoolClient } from 'pg';

/** Gives a rejection that was made without a reason one; who rejected it, and when, stays. */
export async function addRejectionReason(client: PoolClient, id: string, reason: string): Promise<void> {
  await client.query(
    `update image_approval_requests set decision_reason = $2 where id = $1 and status = 'rejected' and decision_reason is null`,
    [id, reason],
  );
}
