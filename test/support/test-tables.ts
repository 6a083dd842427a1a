import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Tables in the documentation that name tests: a renamed or deleted test must not leave a claim behind. */
const root = join(__dirname, '..', '..');

/** The cells of the one table in a Markdown file, without its head. */
export function tableRows(file: string): string[][] {
  return readFileSync(join(root, file), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The titles of a file's tests and of their groups, as written; those in a table of cases too. */
export function testTitles(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8');
  return [
    ...source.matchAll(
      /(?:^\s*(?:test|it|describe)\(|^\s*\[|\]\)\(|\)\()\s*(?:'((?:[^'\\\n]|\\.)*)'|"([^"\n]*)"|`([^`\n]*)`)/gm,
    ),
  ].map(([, single, double, template]) => [single, double, template].join(''));
}
