import { ImageApproval, ImageApprovalList } from './answers';
import type { ApiClient } from './api-client';
import { requireId } from './rollout-commands';
import { drawTable } from './table';
import type { Terminal } from './terminal';

export interface ApprovalListOptions {
  status?: string;
  limit?: string;
  json?: boolean;
}

/** What waits for a decision unless asked otherwise. */
export async function listApprovals(api: ApiClient, options: ApprovalListOptions, terminal: Terminal): Promise<void> {
  const query = new URLSearchParams({ status: options.status ?? 'pending' });
  if (options.limit !== undefined) query.set('limit', options.limit);
  const { image_approvals: requests, next_cursor } = await api.get(
    `/image-approvals?${query.toString()}`,
    ImageApprovalList,
  );
  if (options.json === true) {
    terminal.write(`${JSON.stringify(requests, undefined, 2)}\n`);
    return;
  }
  if (requests.length === 0) {
    terminal.say(`No request is ${options.status ?? 'pending'}.\n`);
    return;
  }
  const rows = requests.map((request) => [
    request.id,
    `${request.image_name}:${request.tag}`,
    request.digest ?? 'none',
    request.status,
    request.requested_by,
    request.requested_at.slice(0, 19).replace('T', ' '),
  ]);
  terminal.write(drawTable(['ID', 'IMAGE', 'DIGEST', 'STATUS', 'ASKED BY', 'ASKED'], rows));
  if (next_cursor) terminal.say('There are more; raise --limit.\n');
}

export async function decideApproval(
  api: ApiClient,
  decision: 'approve' | 'reject',
  id: string,
  reason: string | undefined,
  terminal: Terminal,
): Promise<void> {
  requireId(id, 'request', 'approvals');
  const request = await api.post(
    `/image-approvals/${encodeURIComponent(id)}/${decision}`,
    reason === undefined ? {} : { reason },
    ImageApproval,
  );
  terminal.write(`${request.image_name}:${request.tag} is ${request.status}${andThen(request)}\n`);
}

function andThen(request: ImageApproval): string {
  const { image_name: name, tag, digest, status, decided_by: by, decision_reason: why, outcome, rollout_id } = request;
  if (status !== 'approved') return ` by ${by ?? 'somebody'}${why == null ? '; no reason was given' : `: ${why}`}`;
  if (outcome == null) {
    // What a rejection kept out is not kept for later: an approval after it starts nothing by itself.
    const image = `${name}:${tag}${digest == null ? '' : `@${digest}`}`;
    return `: no push waits for it. Push the tag again, or \`fleetwave trigger ${image}\`, to roll it out`;
  }
  return `: ${outcome}${rollout_id == null ? '' : ` ${rollout_id}`}`;
}
