import { stripVTControlCharacters } from 'node:util';

/** Columns as wide as their widest cell, two spaces between; colours in a cell take no room. */
export function drawTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (cell: string): number => stripVTControlCharacters(cell).length;
  const widths = header.map((name, column) => Math.max(...[header, ...rows].map((row) => width(row[column] ?? name))));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell)))).join('  ');
  return `${[header, ...rows].map((row) => line(row).trimEnd()).join('\n')}\n`;
}
