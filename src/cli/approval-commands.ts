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
  const image = `${request.image_name}:${request.tag}`;
  const then =
    request.rollout_id == null
      ? (request.outcome ?? 'nothing waits for it')
      : `${request.outcome ?? ''} ${request.rollout_id}`;
  terminal.write(`${image} is ${request.status}${request.status === 'approved' ? `: ${then}` : ''}\n`);
}
