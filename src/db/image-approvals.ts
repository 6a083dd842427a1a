import type { Pool, PoolClient } from 'pg';
import type { ApprovalFacts, KnownRequest } from '../domain/image-approval';
import { onlyRow } from './only-row';

export interface ApprovalRequestRow {
  id: string;
  image: string;
  image_name: string;
  tag: string;
  digest: string | null;
  status: KnownRequest['status'];
  requested_at: Date;
  requested_by: string;
  reason: string | null;
  /** Whether a push waits for the decision. */
  push_waits: boolean;
  decided_at: Date | null;
  decided_by: string | null;
  decision_reason: string | null;
  outcome: string | null;
  rollout_id: string | null;
}

type ListedRequest = ApprovalRequestRow & { requested_key: string };

const COLUMNS = `id, image, image_name, tag, digest, status, requested_at, requested_by, reason, status = 'pending' and push is not null as push_waits,
  decided_at, decided_by, decision_reason, outcome, rollout_id`;

const KNOWN = `jsonb_build_object('id', r.id, 'status', r.status, 'decisionReason', r.decision_reason, 'eventId', r.push ->> 'eventId', 'pushedAt', r.push ->> 'pushedAt')`;

/** What decides about one image, tag and digest, in one statement. Call with the tag locked. */
export async function readApprovalFacts(
  client: PoolClient,
  image: string,
  tag: string,
  digest: string | null,
): Promise<ApprovalFacts> {
  const result = await client.query<ApprovalFacts>(
    `with listed as (
       select t.digest, t.deprecated from images i join image_tags t on t.image_id = i.id where i.image = $1 and t.tag = $2
     )
     select coalesce((select is_active from images where image = $1), true) as active,
            exists (select from listed where digest is not distinct from $3 and not deprecated) as approved,
            exists (select from listed where deprecated and (digest is null or digest = $3)) as deprecated,
            (select ${KNOWN} from image_approval_requests r
              where r.image = $1 and r.tag = $2 and r.digest is not distinct from $3 order by r.requested_at desc, r.id desc limit 1) as latest,
            (select ${KNOWN} from image_approval_requests r
              where r.image = $1 and r.tag = $2 and r.digest is distinct from $3 and r.status = 'pending'
              order by r.requested_at desc, r.id desc limit 1) as other`,
    [image, tag, digest],
  );
  return onlyRow(result);
}

export interface NewRequest {
  image: string;
  imageName: string;
  tag: string;
  digest: string | null;
  requestedBy: string;
  reason: string | null;
  /** Null where nothing was pushed yet. */
  push: object | null;
}

/** A push says where its tag points now: what waits of the tag's other digests has been overtaken. */
const EXPIRE = `update image_approval_requests set status = 'expired', decided_at = clock_timestamp(), decided_by = 'fleetwave',
       decision_reason = 'the tag was pushed again with another digest'`;

/** Opens a request. A person who asks ahead of a push ends no other, and no push ends what a person asked ahead of one. */
export async function openRequest(client: PoolClient, request: NewRequest): Promise<ApprovalRequestRow> {
  const result = await client.query<ApprovalRequestRow>(
    `with overtaken as (
       ${EXPIRE}
        where image = $1 and tag = $3 and digest is distinct from $4 and status = 'pending' and push is not null and $7::jsonb is not null
     )
     insert into image_approval_requests (image, image_name, tag, digest, requested_by, reason, push, pushed_at, requested_at)
     values ($1, $2, $3, $4, $5, $6, $7::jsonb, case when $7::jsonb is not null then clock_timestamp() end, clock_timestamp()) returning ${COLUMNS}`,
    [
      request.image,
      request.imageName,
      request.tag,
      request.digest,
      request.requestedBy,
      request.reason,
      request.push === null ? null : JSON.stringify(request.push),
    ],
  );
  return onlyRow(result);
}

/** The newest push of the same tag and digest waits in place of the one before. */
export async function keepWaitingPush(client: PoolClient, id: string, push: object): Promise<void> {
  await client.query(
    `with kept as (
       update image_approval_requests set push = $2::jsonb, pushed_at = clock_timestamp() where id = $1 returning image, tag
     )
     ${EXPIRE}
       from kept where image_approval_requests.image = kept.image and image_approval_requests.tag = kept.tag and id <> $1
        and status = 'pending' and push is not null`,
    [id, JSON.stringify(push)],
  );
}

export async function readRequest(client: Pick<PoolClient, 'query'>, id: string): Promise<ApprovalRequestRow | null> {
  const { rows } = await client.query<ApprovalRequestRow>(
    `select ${COLUMNS} from image_approval_requests where id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** True of a request that was opened within this transaction; its id goes where the transaction is rolled back. */
export async function isNewRequest(client: PoolClient, id: string): Promise<boolean> {
  const found = await client.query(
    'select from image_approval_requests where id = $1 and requested_at >= transaction_timestamp()',
    [id],
  );
  return found.rowCount === 1;
}

/** The waiting push, and whether a rollout of another push of its tag was accepted since. Call with the tag locked. */
export async function readWaitingPush(
  client: PoolClient,
  id: string,
): Promise<{ push: object | null; overtakenBy: string | null }> {
  const result = await client.query<{ push: object | null; overtakenBy: string | null }>(
    `select q.push, (select r.id from image_rollouts r
                      where r.image = q.image and r.tag = q.tag and r.created_at > q.pushed_at
                        and r.revision <> q.push -> 'revision' ->> 'revision' limit 1) as "overtakenBy"
       from image_approval_requests q where q.id = $1`,
    [id],
  );
  return onlyRow(result);
}

export interface Decision {
  status: 'approved' | 'rejected' | 'expired';
  by: string;
  reason: string | null;
}

/** Ends a pending request; null when it is not pending any more. */
export async function decideRequest(
  client: Pick<PoolClient, 'query'>,
  id: string,
  decision: Decision,
): Promise<ApprovalRequestRow | null> {
  const { rows } = await client.query<ApprovalRequestRow>(
    `update image_approval_requests set status = $2, decided_at = clock_timestamp(), decided_by = $3, decision_reason = $4
      where id = $1 and status = 'pending' returning ${COLUMNS}`,
    [id, decision.status, decision.by, decision.reason],
  );
  return rows[0] ?? null;
}

/** What the waiting push came to; with the approval's events in each rollout that it started. */
export async function noteOutcome(
  client: PoolClient,
  id: string,
  { outcome, rolloutId, started }: { outcome: string; rolloutId: string | null; started: readonly string[] },
): Promise<ApprovalRequestRow> {
  const result = await client.query<ApprovalRequestRow>(
    `with noted as (
       update image_approval_requests set outcome = $2, rollout_id = $3 where id = $1 returning *
     ), told as (
       insert into rollout_events (rollout_id, type, actor, at, reason, data)
       select started, said.type, said.actor, said.at, said.reason, jsonb_build_object('request_id', id, 'digest', digest)
         from noted, unnest($4::uuid[]) as started,
              lateral (values ('image.approval_requested', requested_by, requested_at, noted.reason),
                              ('image.approved', decided_by, decided_at, decision_reason)) as said (type, actor, at, reason)
     )
     select ${COLUMNS} from noted`,
    [id, outcome, rolloutId, started],
  );
  return onlyRow(result);
}

/** Newest first. */
export async function listRequests(
  pool: Pool,
  filter: { status: string | undefined; limit: number; before: [string, string] | undefined },
): Promise<ListedRequest[]> {
  const { rows } = await pool.query<ListedRequest>(
    `select ${COLUMNS}, (requested_at at time zone 'UTC')::text || '+00' as requested_key from image_approval_requests
      where ($2::text is null or status = $2) and ($3::timestamptz is null or (requested_at, id) < ($3::timestamptz, $4::uuid))
      order by requested_at desc, id desc limit $1`,
    [filter.limit + 1, filter.status ?? null, filter.before?.[0] ?? null, filter.before?.[1] ?? null],
  );
  return rows;
}
