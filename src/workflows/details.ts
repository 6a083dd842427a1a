import { isFinal } from '../domain/rollout-states';
import type { RolloutState } from './state';
import { viewOf } from './state';

/** Longer summaries push everything else out of the UI's timeline; the whole text is in the events. */
const LONGEST_SUMMARY = 150;

/**
 * What the Temporal UI shows of a running rollout, as Markdown: the same facts as `GET /rollouts/:id/status`, the most
 * needed first, since the UI shows a small part of a long text.
 */
export function detailsOf(state: RolloutState): string {
  const view = viewOf(state);
  const { planned = 0, healthy = 0 } = view.counts;
  const counts = Object.entries(view.counts).filter(([, devices]) => devices > 0);
  const batch = view.batch === null || view.batches === null ? '' : `, batch ${view.batch} of ${view.batches}`;
  const progress = view.batches === null ? '' : `: ${healthy} of ${planned} devices healthy`;
  const facts = [
    ...(state.because === null ? [] : [`because: ${plain(state.because)}`]),
    ...(view.waiting_for === null ? [] : [`waits for: ${plain(view.waiting_for)}${period(view.since, view.until)}`]),
    ...(view.next_rule === null ? [] : [`next: it ${plain(view.next_rule)}`]),
    // A workflow that has ended hears nothing: what can still be done is done by another one.
    `you can send: ${sendable(isFinal(view.status) ? [] : view.commands)}`,
    ...(counts.length === 0
      ? []
      : [`devices: ${counts.map(([name, devices]) => `${devices} ${words(name)}`).join(', ')}`]),
    ...(view.failures === null ? [] : [`failed: ${plain(view.failures)}`]),
    `image: \`${state.input.image}:${state.input.tag}\``,
    ...(view.resolved === null ? [] : [`registry: ${plain(view.resolved)}`]),
    `rollout: \`${state.input.rolloutId}\``,
  ];
  const lines = [`**${capital(words(view.status))}**${batch}${progress}`, '', ...facts.map((fact) => `- ${fact}`)];
  if (state.remarks.length > 0) {
    lines.push(
      '',
      '**Signals**, newest first',
      '',
      ...[...state.remarks].reverse().map((remark) => `- ${plain(remark)}`),
    );
  }
  // The UI (2.42) makes its frame a line too short for what is in it: the line that is cut off is this empty one.
  return [...lines, '', '\u00a0'].join('\n');
}

/** One line for the UI's timeline, of a length that it can show. */
export function summaryOf(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= LONGEST_SUMMARY ? line : `${line.slice(0, LONGEST_SUMMARY - 3)}...`;
}

/** The UI renders HTML and Markdown of whoever may send a signal; as text they do no harm. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>&#~|]/g, (character) => `\\${character}`);
}

/** As the UI writes times, without the fractions, and without the date where it is that of the time before. */
function period(since: string | null, until: string | null): string {
  const start = since === null ? '' : `, since ${clock(since)}`;
  if (until === null) return start;
  const end = since?.slice(0, 10) === until.slice(0, 10) ? until.slice(11, 19) : clock(until);
  return `${start}, until ${end}`;
}

function clock(iso: string): string {
  return `${iso.slice(0, 10)} UTC ${iso.slice(11, 19)}`;
}

function sendable(commands: readonly string[]): string {
  if (commands.length === 0) return 'nothing any more';
  const named = commands.map((command) => `\`${command}\``).join(', ');
  const input = commands.includes('exclude') ? 'no input needed, but for the devices to exclude' : 'no input needed';
  return `${named} (${input})`;
}

function words(name: string): string {
  return name.replaceAll('_', ' ');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
