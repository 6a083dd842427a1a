import { causesSentence } from '../domain/failure-causes';
import { familiarName } from '../domain/image-reference';
import type { Rollout, RolloutBatch, RolloutStatusAnswer } from './answers';
import { batchProgress, drawBar, type BatchProgress } from './progress-bar';
import type { Colors } from './terminal';

/** A rollout with its answer to "what are you waiting for". */
export interface RolloutState {
  rollout: Rollout;
  status: RolloutStatusAnswer;
}

const FINAL = ['completed', 'rolled_back', 'failed', 'cancelled', 'superseded'];

export function hasEnded(rollout: Rollout): boolean {
  return FINAL.includes(rollout.status);
}

/** Image and tag as people write them. */
export function rolloutName(rollout: Rollout): string {
  return `${familiarName(`${rollout.registry}/${rollout.repository}`)}:${rollout.tag}`;
}

/** By itself, because an address that is cut to the width of a terminal is of no use. */
export function linkLine(rollout: Rollout, colors: Colors): string {
  return rollout.temporal_url ? `  ${colors.dim('Temporal UI')} ${colors.cyan(rollout.temporal_url)}\n` : '';
}

/** Everything about a rollout that a person asks first, as lines no wider than `columns`. */
export function rolloutLines({ rollout, status }: RolloutState, columns: number, colors: Colors): string[] {
  const lines = [
    `${colors.bold(rolloutName(rollout))}  ${paintStatus(status.status, colors)}  ${colors.dim(rollout.rollout_id)}`,
  ];
  const barWidth = Math.max(10, Math.min(40, columns - 58));
  for (const batch of rollout.batches) {
    const progress = batchProgress(batch);
    const bar = drawBar(progress, barWidth, colors);
    const label = `batch ${batch.number}/${rollout.batches.length}`.padEnd(11);
    lines.push(
      `  ${label} ${bar} ${describeProgress(progress, hasEnded(rollout))}${batch.status === 'pending' ? '' : `, ${batchWords(batch, rollout)}`}`,
    );
  }
  const facts: [string, string | null | undefined][] = [
    ['registry', status.resolved],
    ['found by', foundBy(rollout)],
    ['failed', failedBecause(rollout)],
    ['waiting for', hasEnded(rollout) ? null : waitingSentence(status)],
    ['next rule', hasEnded(rollout) ? null : status.next_rule],
    ['you can', hasEnded(rollout) ? null : status.commands.join(', ')],
    ['because', rollout.reason],
    ['error', rollout.error],
  ];
  for (const [name, value] of facts) if (value) lines.push(`  ${colors.dim(name.padEnd(11))} ${value}`);
  return lines;
}

/** The same where lines cannot be redrawn: those of `next` that say something new. */
export function changedLines(previous: RolloutState | undefined, next: RolloutState): string[] {
  const before = previous === undefined ? [] : factLines(previous);
  return factLines(next).filter((line) => !before.includes(line));
}

function factLines({ rollout, status }: RolloutState): string[] {
  const lines = rollout.batches
    .filter((batch) => batch.status !== 'pending')
    .map(
      (batch) =>
        `batch ${batch.number}/${rollout.batches.length} ${batchWords(batch, rollout)}: ${describeProgress(batchProgress(batch), hasEnded(rollout))}`,
    );
  // The number of devices waited for changes with every report and is in the batch's own line already.
  const waiting =
    status.waiting_for && !hasEnded(rollout)
      ? `: waiting for ${status.waiting_for.replace(/\d+ devices?/, 'devices')}`
      : '';
  lines.push(`${words(status.status)}${waiting}`);
  if (status.resolved) lines.push(`registry: ${status.resolved}`);
  const found = foundBy(rollout);
  if (found !== null) lines.push(`found by: ${found}`);
  const failed = failedBecause(rollout);
  if (failed !== null) lines.push(`failed: ${failed}`);
  if (rollout.reason) lines.push(`because: ${rollout.reason}`);
  if (rollout.error) lines.push(`error: ${rollout.error}`);
  return lines;
}

/** A rollout that has ended has nothing under way: what was not proven by then stays so in its record. */
export function describeProgress(progress: BatchProgress, ended: boolean): string {
  const { healthy, failed, rolledBack, rollingBack, soaking, updating, told, leftOut, planned } = progress;
  const settled: [number, string][] = [
    [healthy, 'healthy'],
    [failed, 'failed'],
    [rolledBack, 'put back'],
  ];
  const underWay: [number, string][] = ended
    ? [
        [soaking + updating + told, 'told, not proven'],
        [rollingBack, 'told to go back, not proven'],
      ]
    : [
        [rollingBack, 'being put back'],
        [soaking, 'soaking'],
        [updating, 'updating'],
        [told, 'told'],
      ];
  const parts: [number, string][] = [...settled, ...underWay, [leftOut, 'left out']];
  const said = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (said.length === 0) return ended ? `${planned} not told` : `${planned} to go`;
  return `${said.join(', ')} (of ${planned})`;
}

/** Of the ways to a rollout the one that points to something amiss. */
function foundBy({ trigger }: Rollout): string | null {
  return trigger === 'reconcile' ? 'a look at its registry: no webhook told of this push' : null;
}

/** How many devices, and why: `3: 2 ErrImagePull, 1 CrashLoopBackOff`. */
function failedBecause({ failures }: Rollout): string | null {
  const causes = causesSentence(failures);
  return causes === null ? null : `${failures.reduce((sum, { devices }) => sum + devices, 0)}: ${causes}`;
}

function batchWords(batch: RolloutBatch, rollout: Rollout): string {
  return words(hasEnded(rollout) && batch.status === 'in_progress' ? 'stopped' : batch.status);
}

function waitingSentence(status: RolloutStatusAnswer): string | null {
  if (!status.waiting_for) return null;
  return `${status.waiting_for}${status.since ? `, since ${clock(status.since)}` : ''}${status.until ? `, until ${clock(status.until)}` : ''}`;
}

/** Local time of day, with the day where it is another one than today: an approval may wait for a day. */
function clock(iso: string): string {
  const time = new Date(iso);
  const day = time.toDateString() === new Date().toDateString() ? '' : `${time.toLocaleDateString('sv-SE')} `;
  return `${day}${time.toLocaleTimeString('en-GB')}`;
}

export function paintStatus(status: string, colors: Colors): string {
  const paint =
    status === 'completed'
      ? colors.green
      : ['failed', 'rolled_back', 'rolling_back', 'cancelled'].includes(status)
        ? colors.red
        : colors.yellow;
  return paint(words(status));
}

function words(status: string): string {
  return status.replaceAll('_', ' ');
}
