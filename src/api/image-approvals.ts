import { z } from 'zod';
import { listRequests, readRequest, type ApprovalRequestRow } from '../db/image-approvals';
import { parseImageReference, type ImageReference } from '../domain/image-reference';
import { jsonBody } from './body';
import { page } from './cursor';
import { approveRequest, rejectRequest, requestApproval } from './decide-approval';
import type { ApiDeps } from './deps';
import { Digest, idParams, ImageTag, pageQuery, text, TimeAndId, Uuid } from './fields';
import { invalidInput, notFound } from './problem';
import { route, type Route } from './route';

const statuses = ['pending', 'approved', 'rejected', 'expired'] as const;
const Reason = text(2000).optional();
const NewRequest = z.strictObject({
  image: z.string().min(1).max(512),
  tag: ImageTag.optional().describe('May stand in `image` instead, as may the digest.'),
  digest: Digest.optional(),
  reason: Reason,
});
const Decision = z.strictObject({ reason: Reason });
const Request = z.object({
  id: Uuid,
  image: z.string(),
  image_name: z.string(),
  tag: z.string(),
  digest: z.string().nullable(),
  status: z.enum(statuses),
  requested_at: z.iso.datetime(),
  requested_by: z.string(),
  reason: z.string().nullable(),
  push_waits: z.boolean().describe('Approving it starts a push.'),
  decided_at: z.iso.datetime().nullable(),
  decided_by: z.string().nullable(),
  decision_reason: z.string().nullable(),
  outcome: z.string().nullable().describe('What the waiting push came to: the outcomes of a webhook.'),
  rollout_id: z.string().nullable(),
});
const RequestQuery = pageQuery(TimeAndId).extend({ status: z.enum(statuses).optional() });

/**
 * Requests to approve an image. Operators ask, admins decide: an operator who may trigger an update must not be the one who
 * lets its image in.
 */
export function imageApprovalRoutes({ pool, dispatcher }: ApiDeps): Route[] {
  const tag = 'Approved images';
  return [
    route({
      method: 'get',
      path: '/api/v1/image-approvals',
      tag,
      summary: 'Requests to approve an image, newest first',
      access: 'viewer',
      query: RequestQuery,
      answers: {
        200: {
          description: 'A page of requests',
          schema: z.object({ image_approvals: z.array(Request), next_cursor: z.string().nullable() }),
        },
      },
      handle: async ({ query: { status, limit, cursor } }) => {
        const rows = await listRequests(pool, { status, limit, before: cursor });
        const { items, next_cursor } = page(rows, limit, shown, (row) => [row.requested_key, row.id]);
        return { status: 200, body: { image_approvals: items, next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/api/v1/image-approvals/:id',
      tag,
      summary: 'One request',
      access: 'viewer',
      params: idParams('an approval request'),
      answers: { 200: { description: 'The request', schema: Request } },
      handle: async ({ params }) => {
        const row = await readRequest(pool, params.id);
        if (row === null) throw notFound('approval request', params.id);
        return { status: 200, body: shown(row) };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/image-approvals',
      tag,
      summary: 'Ask for an approval ahead of a push, or again after a rejection',
      access: 'operator',
      body: jsonBody(NewRequest),
      answers: {
        201: { description: 'Opened', schema: Request },
        200: { description: 'The request that is pending already', schema: Request },
        409: { description: 'Approved already, deprecated or switched off' },
      },
      handle: async ({ body, actor }) => {
        const asker = { actor, reason: body.reason ?? null };
        const { opened, request } = await requestApproval(pool, readAsked(body), asker);
        return { status: opened ? 201 : 200, body: shown(request) };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/image-approvals/:id/approve',
      tag,
      summary: 'Approve the tag with its digest, and start the push that waits for it; again gives the same answer',
      access: 'admin',
      params: idParams('an approval request'),
      body: jsonBody(Decision, { optional: true }),
      answers: {
        200: { description: 'Approved', schema: Request },
        409: { description: 'Decided otherwise, deprecated, switched off, or overtaken by a newer push' },
      },
      handle: async ({ params, body, actor }) => {
        const request = await approveRequest(pool, params.id, { actor, reason: body.reason ?? null });
        dispatcher.wake();
        return { status: 200, body: shown(request) };
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/image-approvals/:id/reject',
      tag,
      summary: 'Reject it; pushes of this tag and digest stay refused, with the reason, until somebody asks again',
      access: 'admin',
      params: idParams('an approval request'),
      body: jsonBody(Decision, { optional: true }),
      answers: {
        200: { description: 'Rejected', schema: Request },
        409: {
          description: 'Decided otherwise, or rejected already for another reason; `detail` says by whom and why',
        },
      },
      handle: async ({ params, body, actor }) => ({
        status: 200,
        body: shown(await rejectRequest(pool, params.id, { actor, reason: body.reason ?? null })),
      }),
    }),
  ];
}

function readAsked(body: z.output<typeof NewRequest>): ImageReference & { tag: string } {
  const parsed = parseImageReference(body.image);
  if (!parsed.ok) throw invalidInput([{ path: 'image', message: parsed.error }]);
  const { reference } = parsed;
  for (const part of ['tag', 'digest'] as const)
    if (body[part] !== undefined && reference[part] !== null && reference[part] !== body[part])
      throw invalidInput([{ path: part, message: `image says ${reference[part]}: give one of them` }]);
  const tag = body.tag ?? reference.tag;
  if (tag === null) throw invalidInput([{ path: 'tag', message: 'say which tag; latest is never assumed' }]);
  return { ...reference, tag, digest: body.digest ?? reference.digest };
}

function shown(row: ApprovalRequestRow): z.infer<typeof Request> {
  const { id, image, image_name, tag, digest, status, requested_by, reason, push_waits } = row;
  const { decided_by, decision_reason, outcome, rollout_id } = row;
  return {
    ...{ id, image, image_name, tag, digest, status, requested_by, reason, push_waits },
    ...{ decided_by, decision_reason, outcome, rollout_id },
    requested_at: row.requested_at.toISOString(),
    decided_at: row.decided_at?.toISOString() ?? null,
  };
}
