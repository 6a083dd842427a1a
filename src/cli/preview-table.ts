import type { PreviewedBatch } from './answers';
import { drawTable } from './table';

interface Column {
  name: string;
  cell: (batch: PreviewedBatch) => string;
}

/** Batches with their times, at most a hundred columns wide; a column that would say nothing is left out. */
export function batchTable(batches: readonly PreviewedBatch[]): string {
  const any = (told: (batch: PreviewedBatch) => boolean, column: Column): Column[] =>
    batches.some(told) ? [column] : [];
  const shown: Column[] = [
    { name: 'BATCH', cell: (batch) => String(batch.number) },
    { name: 'DEVICES', cell: (batch) => String(batch.planned) },
    ...any((batch) => batch.offline > 0, { name: 'OFFLINE', cell: (batch) => String(batch.offline) }),
    { name: 'DELAY', cell: (batch) => duration(batch.delay_seconds) },
    { name: 'SOAK', cell: (batch) => duration(batch.soak_seconds) },
    { name: 'STARTS (UTC)', cell: (batch) => minute(batch.starts_at) },
    ...any((batch) => batch.told_by !== batch.starts_at, {
      name: 'ALL TOLD BY',
      cell: (batch) => minute(batch.told_by),
    }),
    ...any((batch) => waitsOf(batch) !== '', { name: 'WAITS FOR', cell: waitsOf }),
  ];
  const names = shown.map((column) => column.name);
  return drawTable(
    names.map((name, index) => (index === 0 ? `  ${name}` : name)),
    batches.map((batch) => shown.map((column, index) => (index === 0 ? '  ' : '') + column.cell(batch))),
  );
}

/** `2026-11-28 01:00`, as whole as a person needs it. */
export function minute(time: string | null | undefined): string {
  return time == null ? 'never' : time.slice(0, 16).replace('T', ' ');
}

/** In short: why a freeze stands may be a long story. */
function waitsOf({ requires_approval: approval, waits_for: waits }: PreviewedBatch): string {
  const short = waits?.startsWith('freeze') === true ? 'freeze' : waits?.replace('maintenance ', '');
  return [...(approval ? ['approval'] : []), ...(short === undefined ? [] : [short])].join(', ');
}

/** In the largest unit that says it exactly. */
export function duration(seconds: number): string {
  if (seconds === 0) return '-';
  const units = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ] as const;
  const [size, unit] = units.find(([length]) => seconds % length === 0) ?? [1, 's'];
  return `${seconds / size} ${unit}`;
}
