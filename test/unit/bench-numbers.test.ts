import { describe, expect, test } from '@jest/globals';
import { drawBudget, drawLines, isKept, type Line } from '../../bench/lines';
import { median, milliseconds, percentile, round } from '../../bench/statistics';

describe('the numbers of the bench', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  test.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
    [0, 1],
  ])('percentile %d is the value of that rank, in whatever order they came', (share, expected) => {
    expect(percentile(hundred, share)).toBe(expected);
  });

  test('the median of few values is one of them, and there is none of no values', () => {
    expect(median([30, 10, 20])).toBe(20);
    expect(median([10, 2])).toBe(2);
    expect(median([])).toBeNaN();
  });

  test('numbers are rounded to what a shared machine tells', () => {
    expect([0, 0.00109, 21.7, 1234, Number.NaN].map(round)).toEqual([0, 0.0011, 22, 1230, Number.NaN]);
    expect([1.66, 3790, 12_345].map(milliseconds)).toEqual(['1.7 ms', '3790 ms', '12 s']);
  });
});

describe('the budget', () => {
  const budget = { measured: 3, limit: 3, text: 'at most 3' };
  const lines: Line[] = [
    { what: 'kept', value: '3 ms', numbers: {}, budget },
    { what: 'missed', value: '22 ms', numbers: {}, budget: { ...budget, measured: 22.4 } },
    { what: 'without a limit', value: '1 ms', numbers: {} },
  ];

  test('is kept up to its limit, and not by what could not be measured', () => {
    expect([2.9, 3, 3.01, Number.NaN].map((measured) => isKept({ ...budget, measured }))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('has a row for each line with a limit, with its verdict', () => {
    const rows = drawBudget(lines).trimEnd().split('\n');
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      ['what', 'budget', 'measured', 'kept?'],
      ['kept', 'at most 3', '3', 'yes'],
      ['missed', 'at most 3', '22', 'NO'],
    ]);
  });

  test('and everything that was measured is in the first table', () => {
    expect(drawLines(lines)).toContain('without a limit  1 ms');
  });
});
