import { afterEach, expect, jest, test } from '@jest/globals';
import { createGatherer, type GatherOptions } from '../../../src/api/gather';
import { HttpProblem } from '../../../src/api/problem';

interface Item {
  name: string;
  key?: string;
  bytes?: number;
}

/** A gatherer whose groups end when they are told to. */
function gatherer(options: Partial<GatherOptions<Item, string>> = {}) {
  const groups: { names: string[]; end: () => void; fail: (error: unknown) => void }[] = [];
  const made = createGatherer<Item, string>({
    work: (items) =>
      new Promise((resolve, reject) => {
        const names = items.map(({ name }) => name);
        groups.push({
          names,
          end: () => {
            resolve(names.map((name) => `${name}!`));
          },
          fail: reject,
        });
      }),
    groups: 1,
    groupItems: 100,
    groupBytes: 1000,
    waitingItems: 5,
    waitingBytes: 2000,
    bytesOf: ({ bytes = 0 }) => bytes,
    keyOf: ({ name, key }) => key ?? name,
    ...options,
  });
  const add = (...names: string[]) => names.map((name) => made.add({ name }));
  const names = () => groups.map((group) => group.names);
  return { ...made, item: made.add, add, groups, names };
}

afterEach(() => {
  jest.useRealTimers();
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a lone item goes at once; what comes while it is under way goes together, each with its own result', async () => {
  const { add, groups, names } = gatherer();
  const first = add('a');
  await turn();
  const others = add('b', 'c', 'd');
  await turn();
  expect(names()).toEqual([['a']]);
  groups[0]?.end();
  expect(await Promise.all(first)).toEqual(['a!']);
  await turn();
  groups[1]?.end();
  expect(await Promise.all(others)).toEqual(['b!', 'c!', 'd!']);
  expect(names()).toEqual([['a'], ['b', 'c', 'd']]);
});

test('where a group does not end, one more goes beside it, and no more than one', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  const { add, groups, names } = gatherer({ lateAfterMs: 500 });
  const stuck = add('a');
  await turn();
  const others = add('b');
  await turn();
  expect(names()).toEqual([['a']]);
  jest.advanceTimersByTime(500);
  await turn();
  expect(names()).toEqual([['a'], ['b']]);
  // Both are late now.
  others.push(...add('c'));
  jest.advanceTimersByTime(500);
  await turn();
  expect(names()).toEqual([['a'], ['b']]);
  groups[1]?.end();
  await turn();
  await turn();
  groups[2]?.end();
  expect(await Promise.all(others)).toEqual(['b!', 'c!']);
  groups[0]?.end();
  await Promise.all(stuck);
  await turn();
  // Nobody is late any more: one group at a time again.
  const last = add('d');
  await turn();
  last.push(...add('e'));
  await turn();
  expect(names().slice(3)).toEqual([['d']]);
  groups[3]?.end();
  await turn();
  await turn();
  groups[4]?.end();
  expect(await Promise.all(last)).toEqual(['d!', 'e!']);
});

test('items of one key are done one after the other, in their order, however many groups are free', async () => {
  const { item, groups, names } = gatherer({ groups: 3 });
  const all = ['1', '2', '3'].map((name) => item({ name, key: 'device' }));
  await turn();
  expect(names()).toEqual([['1']]);
  void item({ name: 'another' });
  await turn();
  expect(names()).toEqual([['1'], ['another']]);
  groups[0]?.end();
  await turn();
  await turn();
  expect(names().at(-1)).toEqual(['2']);
  groups[2]?.end();
  await turn();
  await turn();
  groups[3]?.end();
  expect(await Promise.all(all)).toEqual(['1!', '2!', '3!']);
});

test('a group is bounded by its items and by its bytes; one item may be larger', async () => {
  const { item, groups, names } = gatherer({ groupItems: 2, groupBytes: 100, groups: 10 });
  for (const [name, bytes] of Object.entries({ a: 60, b: 60, c: 30, d: 200 })) void item({ name, bytes });
  await turn();
  expect(names()).toEqual([['a', 'c'], ['b'], ['d']]);
  for (const group of groups) group.end();
});

/** Groups in which one is bad fail with `error`. */
function failing(error: Error, isBad: (names: string[]) => boolean = (names) => names.includes('bad')) {
  const tried: string[][] = [];
  const { add } = gatherer({
    waitingItems: 1000,
    work: (items) => {
      const names = items.map(({ name }) => name);
      tried.push(names);
      return isBad(names) ? Promise.reject(error) : Promise.resolve(names);
    },
  });
  return { add, tried };
}
const statusOf = ({ status }: { status: string }) => status;
const withCode = (code: string) => Object.assign(new Error(code), { code });

test('where a group fails for what is in it, only the bad one suffers', async () => {
  const { add, tried } = failing(new Error('unstorable'));
  const results = await Promise.allSettled(add('a', 'bad', 'b'));
  expect(results.map(statusOf)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(tried).toEqual([['a', 'bad', 'b'], ['a', 'bad'], ['a'], ['bad'], ['b']]);
});

test('a bad one costs its group a few statements, not one for each of the others', async () => {
  const { add, tried } = failing(new Error('unstorable'));
  const names = Array.from({ length: 64 }, (_, place) => (place === 40 ? 'bad' : String(place)));
  const results = await Promise.allSettled(add(...names));
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect(tried.length).toBeLessThanOrEqual(13);
});

test.each(['40P01', '40001', '55P03'])(
  'where others were at the same rows (%s), the group is done in parts, and nobody is sent away',
  async (code) => {
    const { add } = failing(withCode(code), (names) => names.length > 2);
    const results = await Promise.allSettled(add('a', 'b', 'c', 'd'));
    expect(results.map(statusOf)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
  },
);

test('where the database goes away while a group is done in parts, the rest is not tried', async () => {
  let tries = 0;
  const { add } = gatherer({
    waitingItems: 1000,
    work: () => Promise.reject((tries += 1) === 1 ? new Error('unstorable') : withCode('ECONNREFUSED')),
  });
  const results = await Promise.allSettled(add(...Array.from({ length: 64 }, (_, place) => String(place))));
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(tries).toBe(2);
});

test('where the database is away nothing is tried again item by item', async () => {
  let tries = 0;
  const { add } = gatherer({
    work: () => {
      tries += 1;
      return Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
    },
  });
  const results = await Promise.allSettled(add('a', 'b', 'c'));
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(tries).toBe(1);
});

test.each([
  ['items', { waitingItems: 3 }, 0],
  ['bytes', { waitingBytes: 30 }, 10],
])(
  'beyond so many waiting %s it is refused with 503 and a drawn retry-after, until there is room',
  async (_, limit, bytes) => {
    const { item, assertRoom, groups } = gatherer(limit);
    const first = item({ name: 'under way' });
    await turn();
    const waiting = ['a', 'b', 'c'].map((name) => item({ name, bytes }));
    const drawn = Array.from({ length: 60 }, () => {
      try {
        assertRoom();
        return undefined;
      } catch (error) {
        expect(error).toBeInstanceOf(HttpProblem);
        expect((error as HttpProblem).status).toBe(503);
        return Number((error as HttpProblem).extras.headers?.['retry-after']);
      }
    });
    expect(drawn.every((seconds) => seconds !== undefined && seconds >= 2 && seconds <= 15)).toBe(true);
    expect(new Set(drawn).size).toBeGreaterThan(3);
    expect(() => void item({ name: 'refused', bytes })).toThrow(HttpProblem);
    groups[0]?.end();
    await first;
    await turn();
    await turn();
    expect(assertRoom).not.toThrow();
    groups[1]?.end();
    expect(await Promise.all(waiting)).toEqual(['a!', 'b!', 'c!']);
  },
);
