import { describe, expect, test } from '@jest/globals';
import { tableRows, testTitles } from '../support/test-tables';

const rows = tableRows('docs/lessons.md').map((cells) => ({ cells, number: Number(cells[0]), shown: cells[3] ?? '' }));
/** What the last cell may hold, line by line: a test, or plainly why there is none. */
const claims = rows.flatMap(({ number, shown }) =>
  shown.split('<br>').map((claim) => {
    const [, file = '', name = ''] = /^`(test\/[\w./-]+\.test\.ts)`: (.+)$/.exec(claim) ?? [];
    return { number, claim, file, name };
  }),
);
const tests = claims.filter(({ file }) => file !== '');

describe('the table of lessons', () => {
  test('has each of the forty once, in order, in four full cells', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(rows.filter(({ cells }) => cells.length !== 4 || cells.some((cell) => cell.length === 0))).toEqual([]);
  });

  test('says where each was reported', () => {
    expect(rows.filter(({ cells }) => !/\((?:[^()]*#\d|a thread of )[^()]*\)$/.test(cells[1] ?? ''))).toEqual([]);
  });

  test('names a test, or says plainly that it is not built', () => {
    const others = claims.filter(({ file }) => file === '').map(({ claim }) => claim);
    expect(others.filter((claim) => !/^(?:not yet: .{20,}|\(being built: .{5,}\))$/.test(claim))).toEqual([]);
    expect(tests.filter(({ name }) => name.length < 20)).toEqual([]);
  });
});

test.each(tests)('lesson $number is shown by "$name"', ({ file, name }) => {
  expect(testTitles(file).filter((title) => title.includes(name)).length).toBeGreaterThanOrEqual(1);
});
