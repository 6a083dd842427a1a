import { expect, test } from '@jest/globals';
import { createFailureLimit } from '../../src/api/failure-limit';
import { HttpProblem } from '../../src/api/problem';

let time = 0;
const limitOf = () => createFailureLimit(2, 60_000, () => time);
const refusal = new HttpProblem(401, 'unauthorized', 'no');

test('an address is told to stop after so many refusals, until its window is over', () => {
  const limit = limitOf();
  const ask = (ip: string): number => (limit.refusal(ip, refusal) as HttpProblem).status;
  expect([ask('10.0.0.1'), ask('10.0.0.1'), ask('10.0.0.1'), ask('10.0.0.2')]).toEqual([401, 401, 429, 401]);
  time += 59_000;
  const told = limit.refusal('10.0.0.1', refusal) as HttpProblem;
  expect([told.status, told.extras.headers]).toEqual([429, { 'retry-after': '1' }]);
  time += 1000;
  expect(ask('10.0.0.1')).toBe(401);
});

test('what failed here, and not by the caller, does not count', () => {
  const limit = limitOf();
  const away = new HttpProblem(503, 'database-unavailable', 'away');
  const bug = new Error('bug');
  for (let count = 0; count < 5; count += 1) {
    expect(limit.refusal('10.0.0.1', away)).toBe(away);
    expect(limit.refusal('10.0.0.1', bug)).toBe(bug);
  }
  expect(limit.refusal('10.0.0.1', refusal)).toBe(refusal);
});

test.each([
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1', true],
  ['2001:db8::1', '2001:db8:0:0:9::1', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.2', false],
])('%s and %s count together: %s', (one, other, together) => {
  const limit = limitOf();
  limit.refusal(one, refusal);
  limit.refusal(one, refusal);
  expect((limit.refusal(other, refusal) as HttpProblem).status).toBe(together ? 429 : 401);
});

test('ten thousand addresses are remembered, not more', () => {
  const limit = limitOf();
  const ask = (ip: string): number => (limit.refusal(ip, refusal) as HttpProblem).status;
  for (let count = 0; count < 3; count += 1) ask('first');
  for (let count = 0; count < 10_000; count += 1) ask(`other-${String(count)}`);
  expect(ask('first')).toBe(401);
});
