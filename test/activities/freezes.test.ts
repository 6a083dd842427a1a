import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { changeFreeze, createFreeze, liftFreeze, standingFreezes, type NewFreeze } from '../../src/db/freezes';
import type { Freezes } from '../../src/domain/freeze';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { seedRollout } from '../support/fleet-fixture';

const HOUR_MS = 3_600_000;
const NOTHING: Freezes = { whole: null, fleets: [] };

let database: TestDatabase;
/** The clock of fleetwave.now() in this test. */
let now: number;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.pool.query('truncate freezes, image_rollouts cascade');
  await setClock('2026-12-20T00:00:00Z');
});
afterAll(() => database.drop());

async function setClock(time: string): Promise<void> {
  now = Date.parse(time);
  await database.pool.query(
    `create or replace function fleetwave.now() returns timestamptz language sql stable parallel safe as $$ select '${time}'::timestamptz $$`,
  );
}

async function rollout(trigger: 'webhook' | 'manual' | 'reconcile', fields: { image?: string; tag?: string } = {}) {
  const id = await seedRollout(database.pool, fields);
  await database.pool.query('update image_rollouts set trigger = $2 where id = $1', [id, trigger]);
  return id;
}

const inHours = (hours: number): Date => new Date(now + hours * HOUR_MS);

async function frozen(reason: string, given: Partial<NewFreeze> = {}): Promise<string> {
  const fields = {
    binds: 'automatic' as const,
    imagePattern: null,
    fleetId: null,
    startsAt: inHours(0),
    actor: 'test',
  };
  return (await createFreeze(database.pool, { ...fields, reason, endsAt: inHours(1), ...given })).id;
}

const standing = (rolloutId: string): Promise<Freezes> => standingFreezes(database.pool, rolloutId);
const whole = (reason: string, endsAt: Date): Freezes => ({
  whole: { reason, endsAt: endsAt.toISOString() },
  fleets: [],
});

describe('a freeze', () => {
  it('binds automatic rollouts, and those by hand only when it binds all', async () => {
    const [pushed, reconciled, manual] = [
      await rollout('webhook'),
      await rollout('reconcile'),
      await rollout('manual'),
    ];
    await frozen('holidays');
    for (const automatic of [pushed, reconciled])
      expect(await standing(automatic)).toEqual(whole('holidays', inHours(1)));
    expect(await standing(manual)).toEqual(NOTHING);
    await frozen('audit', { binds: 'all', endsAt: inHours(0.5) });
    expect(await standing(manual)).toEqual(whole('audit', inHours(0.5)));
    expect(await standing(pushed)).toEqual(whole('holidays', inHours(1)));
  });

  it('stands from its start until just before its end', async () => {
    const id = await rollout('webhook');
    await frozen('holidays', { startsAt: inHours(24), endsAt: inHours(48) });
    const seen: [string, boolean][] = [];
    for (const time of ['20T23:59:59.999', '21T00:00:00', '21T23:59:59.999', '22T00:00:00']) {
      await setClock(`2026-12-${time}Z`);
      seen.push([time, (await standing(id)).whole !== null]);
    }
    expect(seen).toEqual([
      ['20T23:59:59.999', false],
      ['21T00:00:00', true],
      ['21T23:59:59.999', true],
      ['22T00:00:00', false],
    ]);
  });

  it('of an image binds what its pattern matches, name and tag', async () => {
    await frozen('redis 7', { imagePattern: 'redis:7.*' });
    expect((await standing(await rollout('webhook', { tag: '7.5' }))).whole?.reason).toBe('redis 7');
    expect(await standing(await rollout('webhook', { tag: '8.0' }))).toEqual(NOTHING);
    expect(await standing(await rollout('webhook', { image: 'docker.io/library/redis-stack', tag: '7.5' }))).toEqual(
      NOTHING,
    );
    expect(await standing(await rollout('webhook', { image: 'ghcr.io/library/redis', tag: '7.5' }))).toEqual(NOTHING);
  });

  it('of a fleet is told apart from those of every device, and of several the one that ends last counts', async () => {
    const id = await rollout('webhook');
    await frozen('short', { endsAt: inHours(1) });
    await frozen('long', { endsAt: inHours(3) });
    await frozen('middle', { endsAt: inHours(2) });
    await frozen('stocktaking', { fleetId: 'shops', endsAt: inHours(5) });
    await frozen('stocktaking, first half', { fleetId: 'shops', endsAt: inHours(4) });
    await frozen('repair', { fleetId: 'lab' });
    await frozen('other image', { fleetId: 'van', imagePattern: 'nginx' });
    expect(await standing(id)).toEqual({
      whole: { reason: 'long', endsAt: inHours(3).toISOString() },
      fleets: [
        { fleetId: 'lab', reason: 'repair', endsAt: inHours(1).toISOString() },
        { fleetId: 'shops', reason: 'stocktaking', endsAt: inHours(5).toISOString() },
      ],
    });
  });

  it('binds no more once lifted, and until its new end once changed', async () => {
    const id = await rollout('webhook');
    const [first, second] = [
      await frozen('first', { endsAt: inHours(9) }),
      await frozen('second', { endsAt: inHours(2) }),
    ];
    expect((await liftFreeze(database.pool, first, 'ann'))?.lifted_by).toBe('ann');
    expect(await liftFreeze(database.pool, first, 'bob')).toBeNull();
    expect(await standing(id)).toEqual(whole('second', inHours(2)));
    await changeFreeze(database.pool, second, { reason: 'longer', endsAt: inHours(4), actor: 'ann' });
    expect(await standing(id)).toEqual(whole('longer', inHours(4)));
    expect(await changeFreeze(database.pool, first, { reason: 'no', endsAt: null, actor: 'ann' })).toBeNull();
    await setClock('2026-12-21T00:00:00Z');
    expect(await liftFreeze(database.pool, second, 'ann')).toBeNull();
  });

  it('is asked of any rollout: one that is not there is kept from nothing', async () => {
    await frozen('holidays', { binds: 'all' });
    expect(await standing('00000000-0000-4000-8000-000000000000')).toEqual(NOTHING);
  });
});

it('asking costs the index of those that stand, however many there were', async () => {
  const id = await rollout('webhook');
  await frozen('holidays');
  await database.pool.query(
    `insert into freezes (reason, starts_at, ends_at, created_by, lifted_at, lifted_by)
     select 'past', fleetwave.now() - n * interval '1 day' - interval '2 hours', fleetwave.now() - n * interval '1 day', 'test',
            case when n % 2 = 0 then fleetwave.now() end, case when n % 2 = 0 then 'test' end
       from generate_series(1, 20000) as n`,
  );
  await database.pool.query('analyze freezes');
  const statements: string[] = [];
  const spied = {
    query: (text: string, values: unknown[]) => {
      statements.push(text);
      return database.pool.query(text, values);
    },
  } as unknown as typeof database.pool;
  expect(await standingFreezes(spied, id)).toEqual(whole('holidays', inHours(1)));
  expect(statements).toHaveLength(1);
  const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
    `explain ${statements[0] ?? ''}`.replace('$1', `'${id}'`),
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain('freezes_standing');
  expect(plan).not.toContain('Seq Scan on freezes');
});

it.each([
  ['ends before it starts', "now(), now() - interval '1 hour'", 'freezes_time'],
  ['is longer than 366 days', "now(), now() + interval '8785 hours'", 'freezes_time'],
])('the schema refuses a freeze that %s', async (_name, times, constraint) => {
  const insert = database.pool.query(
    `insert into freezes (reason, created_by, starts_at, ends_at) values ('x', 'test', ${times})`,
  );
  await expect(insert).rejects.toMatchObject({ constraint });
});
