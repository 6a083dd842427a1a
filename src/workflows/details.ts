import type { RolloutState } from './state';
import { viewOf } from './state';

/** What the Temporal UI shows of a running rollout, as Markdown: the same facts as `GET /rollouts/:id/status`. */
export function detailsOf(state: RolloutState): string {
  const view = viewOf(state);
  const counts = Object.entries(view.counts).filter(([name, devices]) => devices > 0 || name === 'planned' || name === 'healthy');
  const lines = [
    `**${view.status}**${view.batch === null ? '' : `, batch ${view.batch} of ${view.batches}`}`,
    '',
    `- image: \`${state.input.image}:${state.input.tag}\``,
    `- devices: ${counts.map(([name, devices]) => `${devices} ${name.replaceAll('_', ' ')}`).join(', ')}`,
    `- waiting for: ${view.waiting_for ?? 'nothing'}${view.until === null ? '' : ` (until ${view.until})`}`,
  ];
  if (view.since !== null) lines.push(`- since: ${view.since}`);
  if (view.next_rule !== null) lines.push(`- next rule: ${view.next_rule}`);
  lines.push(`- you can send: ${view.commands.length === 0 ? 'nothing any more' : view.commands.map((command) => `\`${command}\``).join(', ')} (no input needed)`);
  if (state.remarks.length > 0) lines.push('', ...state.remarks.map((remark) => `> ${remark}  `));
  return lines.join('\n');
}
