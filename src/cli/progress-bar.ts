import type { RolloutBatch } from './answers';
import type { Colors } from './terminal';

/** Devices of a batch by what is known of them. */
export interface BatchProgress {
  planned: number;
  healthy: number;
  failed: number;
  rolledBack: number;
  /** Skipped, superseded or otherwise left out. */
  leftOut: number;
  /** Told, and not yet settled. */
  underWay: number;
}

export function batchProgress(batch: RolloutBatch): BatchProgress {
  const counts = batch.counts ?? {};
  const sum = (...names: string[]): number => names.reduce((total, name) => total + (counts[name] ?? 0), 0);
  const [healthy, failed] = [sum('healthy'), sum('failed', 'timed_out', 'unreachable', 'rollback_failed')];
  const [rolledBack, leftOut] = [sum('rolled_back'), sum('skipped', 'superseded', 'deferred')];
  const told = Math.min(sum('attempted'), batch.planned);
  return { planned: batch.planned, healthy, failed, rolledBack, leftOut, underWay: Math.max(0, told - healthy - failed - rolledBack) };
}

/** Each part of a bar has a character of its own, so that it reads without colour too. */
export const barParts = { healthy: '█', failed: 'x', rolledBack: '<', leftOut: '-', underWay: '▒', pending: '░' } as const;

/** A bar of exactly `width` characters. A part with at least one device is never invisible. */
export function drawBar(progress: BatchProgress, width: number, colors: Colors): string {
  const paint = { healthy: colors.green, failed: colors.red, rolledBack: colors.yellow, leftOut: colors.dim, underWay: colors.cyan, pending: colors.dim };
  const { planned, ...known } = progress;
  const total = Math.max(planned, known.healthy + known.failed + known.rolledBack + known.leftOut + known.underWay, 1);
  const pending = total - known.healthy - known.failed - known.rolledBack - known.leftOut - known.underWay;
  const names = ['healthy', 'failed', 'rolledBack', 'leftOut', 'underWay', 'pending'] as const;
  const cells = shareOut(
    names.map((name) => (name === 'pending' ? pending : known[name])),
    total,
    width,
  );
  return names.map((name, index) => paint[name](barParts[name].repeat(cells[index] ?? 0))).join('');
}

/** Divides `width` cells by the numbers, at least one for each that is not zero, the rounding at the cost of the largest. */
function shareOut(numbers: readonly number[], total: number, width: number): number[] {
  const cells = numbers.map((number) => (number === 0 ? 0 : Math.max(1, Math.round((number / total) * width))));
  const largest = cells.indexOf(Math.max(...cells));
  cells[largest] = Math.max(0, (cells[largest] ?? 0) + width - cells.reduce((sum, cell) => sum + cell, 0));
  return cells;
}
