import { Preview, type PreviewedPart } from './answers';
import type { ApiClient } from './api-client';
import { drawTable } from './table';
import type { Terminal } from './terminal';

/** What a push of this image would do now. */
export async function previewImage(
  api: ApiClient,
  image: string,
  options: { force?: boolean; json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const preview = await api.post(
    '/rollouts/preview',
    { image, ...(options.force === true ? { force: true } : {}) },
    Preview,
  );
  if (options.json === true) {
    terminal.write(`${JSON.stringify(preview, undefined, 2)}\n`);
    return;
  }
  terminal.write(`A push of ${preview.image}:${preview.tag} now: ${preview.outcome}\n`);
  writePart(preview, terminal);
  for (const part of preview.further) {
    terminal.write(`\nAnd for other devices: ${part.outcome}\n`);
    writePart(part, terminal);
  }
  if (preview.plan_hash != null) terminal.write(`plan_hash ${preview.plan_hash}\n`);
}

function writePart({ detail, policy, plan }: PreviewedPart, terminal: Terminal): void {
  if (detail != null) terminal.write(`${detail}\n`);
  if (policy != null) terminal.write(`Policy ${policy.id}: ${policy.why}\n`);
  if (plan == null) return;
  const { planned = 0, already_on_target: onTarget = 0 } = plan.counts;
  terminal.write(`${planned} devices to update, ${onTarget} already on target\n`);
  const rows = plan.batches.map((batch) => [
    String(batch.number),
    String(batch.planned),
    `${batch.delay_seconds} s`,
    `${batch.soak_seconds} s`,
    batch.requires_approval ? 'yes' : '',
  ]);
  if (rows.length > 0) terminal.write(drawTable(['BATCH', 'DEVICES', 'DELAY', 'SOAK', 'APPROVAL'], rows));
  for (const { count, reason } of plan.left_out) terminal.write(`Left out: ${count}, ${reason}\n`);
  for (const { devices, tag, rollout_id: id } of plan.takes_over_from)
    terminal.write(`Takes ${devices} devices from the rollout of ${tag}, ${id}\n`);
  if (plan.requires_approval) terminal.write('It waits for approval before it starts.\n');
  terminal.write(`Ends ${plan.earliest_end} at the earliest\n`);
}
