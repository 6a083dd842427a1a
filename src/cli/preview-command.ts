import { Preview, type PreviewedPart, type PreviewedPlan } from './answers';
import type { ApiClient } from './api-client';
import { batchTable, duration, minute } from './preview-table';
import { remedyFor } from './remedies';
import type { Terminal } from './terminal';

export interface PreviewOptions {
  force?: boolean;
  as?: string;
  json?: boolean;
}

/** What a push of this image would do now. The hash comes last, where it is found again for copying. */
export async function previewImage(
  api: ApiClient,
  image: string,
  { force, as, json }: PreviewOptions,
  terminal: Terminal,
): Promise<void> {
  const asked = { image, ...(force === true ? { force } : {}), ...(as === undefined ? {} : { as }) };
  const preview = await api.post('/rollouts/preview', asked, Preview);
  if (json === true) {
    terminal.write(`${JSON.stringify(preview, undefined, 2)}\n`);
    return;
  }
  const { bold } = terminal.colors;
  terminal.write(`${bold(`A push of ${preview.image}:${preview.tag} now: ${preview.outcome}`)}\n`);
  writePart(preview, image, terminal);
  for (const part of preview.further) {
    terminal.write(`\n${bold(`And for other devices: ${part.outcome}`)}\n`);
    writePart(part, image, terminal);
  }
  if (preview.plan_hash != null) terminal.write(`\nplan_hash ${preview.plan_hash}\n`);
}

function writePart({ outcome, detail, policy, plan }: PreviewedPart, image: string, terminal: Terminal): void {
  if (detail != null) terminal.write(`${detail}\n`);
  const remedy = remedyFor(outcome, image);
  if (remedy !== undefined) terminal.write(`${remedy}\n`);
  if (policy != null) writeFacts([['policy', `${policy.id}: ${policy.why}`]], terminal);
  if (plan == null) return;
  if (outcome === 'not_approved') terminal.write('Were it approved now:\n');
  writeFacts(factsOf(plan), terminal);
  if (plan.batches.length > 0) terminal.write(`\n${batchTable(plan.batches)}`);
  writeFacts(endOf(plan), terminal);
  // Nobody knows when the older one ends; windows and freezes are those of today.
  if ((outcome === 'queued' || plan.starts_after.length > 0) && plan.batches.length > 0)
    writeFacts([['times', 'are those of a start now: they count from the end of what it waits for']], terminal);
}

type Fact = [name: string, value: string];

function writeFacts(facts: readonly Fact[], terminal: Terminal): void {
  for (const [name, value] of facts) terminal.write(`  ${terminal.colors.dim(name.padEnd(10))} ${value}\n`);
}

function factsOf(plan: PreviewedPlan): Fact[] {
  const { planned = 0, offline = 0, already_on_target: onTarget = 0 } = plan.counts;
  const away = offline > 0 ? `, ${offline} of them offline` : '';
  return [
    ['devices', `${devices(planned)} to update${away}; ${onTarget} already on target`],
    ...plan.left_out.map(({ count, reason }): Fact => ['left out', `${count}: ${reason}`]),
    ...plan.takes_over_from.map(({ devices: count, tag, rollout_id: id }): Fact => [
      'takes',
      `${devices(count)} from the rollout of ${tag}, ${id}`,
    ]),
    ...plan.starts_after.map(({ devices: count, tag, rollout_id: id }): Fact => [
      'after',
      `starts when the rollout of ${tag} has ended, which has ${devices(count)} of it: ${id}`,
    ]),
    ...(plan.strategy == null ? [] : [['strategy', plan.strategy] as Fact]),
    ...(plan.on_failure == null ? [] : [['on failure', plan.on_failure] as Fact]),
    ...plan.windows.map((window): Fact => ['window', window]),
    ...(plan.min_age_seconds > 0
      ? [['age', `it waits until the push is ${duration(plan.min_age_seconds)} old`] as Fact]
      : []),
    ...(plan.platforms.length > 0
      ? [['platforms', `the image must be made for ${plan.platforms.join(', ')}`] as Fact]
      : []),
    ...(plan.requires_approval ? [['approval', 'it waits for one before it starts'] as Fact] : []),
  ];
}

function endOf({ earliest_end: end, catch_up_until: until, batches }: PreviewedPlan): Fact[] {
  if (batches.length === 0) return [];
  return [
    ...batches.flatMap(({ number, waits_for: waits }): Fact[] =>
      waits?.startsWith('freeze') === true
        ? [['freeze', `batch ${number}: ${waits.slice('freeze ('.length, -1)}`]]
        : [],
    ),
    ['ends', end == null ? 'never: a window never opens' : `${minute(end)} UTC at the earliest`],
    ...(until == null
      ? []
      : [['catch up', `waits for devices that are offline, until ${minute(until)} UTC then`] as Fact]),
  ];
}

function devices(count: number): string {
  return count === 1 ? '1 device' : `${count} devices`;
}
