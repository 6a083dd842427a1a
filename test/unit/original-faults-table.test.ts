import { expect, test } from '@jest/globals';
import { tableRows, testTitles } from '../support/test-tables';

const rows = tableRows('docs/original-faults.md').map(([fault = '', file = '', name = '']) => ({
  fault,
  file: file.replaceAll('`', ''),
  name,
}));

test('the table of the original’s faults is read', () => {
  expect(rows.length).toBeGreaterThan(30);
  expect(rows.filter(({ fault, name }) => fault === '' || name.length < 20)).toEqual([]);
});

test.each(rows)('$fault: shown by "$name"', ({ file, name }) => {
  expect(testTitles(file).filter((title) => title.includes(name)).length).toBeGreaterThanOrEqual(1);
});
