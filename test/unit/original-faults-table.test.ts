import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(__dirname, '..', '..');
const table = readFileSync(join(root, 'docs', 'original-faults.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()));
const rows = table.map(([, fault = '', file = '', name = '']) => ({ fault, file: file.replaceAll('`', ''), name }));

/** The titles of a file's tests and of their groups, as written; those in a table of cases too. */
function titles(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  return [
    ...source.matchAll(
      /(?:^\s*(?:test|it|describe)\(|^\s*\[|\]\)\(|\)\()\s*(?:'((?:[^'\\\n]|\\.)*)'|"([^"\n]*)"|`([^`\n]*)`)/gm,
    ),
  ].map(([, single, double, template]) => [single, double, template].join(''));
}

test('the table of the original’s faults is read', () => {
  expect(rows.length).toBeGreaterThan(30);
  expect(rows.filter(({ fault, name }) => fault === '' || name.length < 20)).toEqual([]);
});

test.each(rows)('$fault: shown by "$name"', ({ file, name }) => {
  expect(titles(file).filter((title) => title.includes(name)).length).toBeGreaterThanOrEqual(1);
});
