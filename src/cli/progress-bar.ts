import type { RolloutBatch } from './answers';
import type { Colors } from './terminal';

/** Devices of a batch by what is known of them. */
export interface BatchProgress {
  planned: number;
  healthy: number;
  failed: number;
  rolledBack: number;
  rollingBack: number;
  /** Run the new image, and have to stay up for the soak time. */
  soaking: number;
  /** Said that they are at it. */
  updating: number;
  /** Their target is written, and no more is known of them. */
  told: number;
  /** Skipped, superseded or otherwise left out. */
  leftOut: number;
}

export function batchProgress(batch: RolloutBatch): BatchProgress {
  const counts = batch.counts ?? {};
  const sum = (...names: string[]): number => names.reduce((total, name) => total + (counts[name] ?? 0), 0);
  const known = {
    healthy: sum('healthy'),
    failed: sum('failed', 'timed_out', 'unreachable', 'rollback_failed'),
    rolledBack: sum('rolled_back'),
    rollingBack: sum('rolling_back'),
    soaking: sum('soaking'),
    updating: sum('updating'),
  };
  const spokenOf = Object.values(known).reduce((total, devices) => total + devices, 0);
  return {
    planned: batch.planned,
    ...known,
    told: Math.max(0, sum('attempted') - spokenOf),
    leftOut: sum('skipped', 'deferred', 'superseded'),
  };
}

/** What a bar is made of, in its order. Each part has a character of its own, so that it reads without colour too. */
const barParts = [
  { name: 'healthy', character: '█', color: 'green' },
  { name: 'failed', character: 'x', color: 'red' },
  { name: 'rolledBack', character: '<', color: 'yellow' },
  { name: 'rollingBack', character: '~', color: 'yellow' },
  { name: 'soaking', character: '▓', color: 'cyan' },
  { name: 'updating', character: '▒', color: 'cyan' },
  { name: 'told', character: '▒', color: 'dim' },
  { name: 'leftOut', character: '-', color: 'dim' },
] as const satisfies readonly { name: keyof BatchProgress; character: string; color: keyof Colors }[];
const PENDING = '░';

/** A bar of exactly `width` characters. A part with at least one device is never invisible. */
export function drawBar(progress: BatchProgress, width: number, colors: Colors): string {
  const known = barParts.map(({ name }) => progress[name]);
  const told = known.reduce((total, devices) => total + devices, 0);
  const total = Math.max(progress.planned, told, 1);
  const cells = shareOut([...known, total - told], total, width);
  const painted = barParts.map(({ character, color }, index) => colors[color](character.repeat(cells[index] ?? 0)));
  return [...painted, colors.dim(PENDING.repeat(cells.at(-1) ?? 0))].join('');
}

/** Divides `width` cells by the numbers, at least one for each that is not zero, the rounding at the cost of the largest. */
function shareOut(numbers: readonly number[], total: number, width: number): number[] {
  const cells = numbers.map((number) => (number === 0 ? 0 : Math.max(1, Math.round((number / total) * width))));
  const largest = cells.indexOf(Math.max(...cells));
  cells[largest] = Math.max(0, (cells[largest] ?? 0) + width - cells.reduce((sum, cell) => sum + cell, 0));
  return cells;
}
