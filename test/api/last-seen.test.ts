import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { createLastSeen } from '../../src/api/last-seen';
import { createLogger } from '../../src/log';
import { createTestDatabase, type TestDatabase } from '../support/database';

const HOUR = 3_600_000;
const log = createLogger({ level: 'silent', component: 'test' });
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function devices(count: number): Promise<string[]> {
  const { rows } = await database.pool.query<{ uuid: string }>(
    'insert into devices (uuid) select gen_random_uuid() from generate_series(1, $1::int) returning uuid',
    [count],
  );
  return rows.map((row) => row.uuid);
}
const seen = async (uuids: string[]) =>
  (
    await database.pool.query('select count(*) as n from devices where uuid = any($1) and last_seen_at is not null', [
      uuids,
    ])
  ).rows[0].n;

test('thousands of marks are a few statements, and a deleted device harms none of them', async () => {
  const uuids = await devices(7000);
  const lastSeen = createLastSeen(database.pool, log, { everyMs: HOUR });
  for (const uuid of [...uuids, randomUUID()]) lastSeen.mark(uuid);
  await lastSeen.stop();
  expect(await seen(uuids)).toBe(7000);
  expect(lastSeen.latest(uuids[0] as string)).toBeNull();
});

test('marks outlive a write that failed, and time never goes back', async () => {
  const [uuid] = (await devices(1)) as [string];
  let broken = true;
  const pool = {
    query: (...args: any[]) => (broken ? Promise.reject(new Error('away')) : (database.pool.query as any)(...args)),
  } as any;
  const lastSeen = createLastSeen(pool, log, { everyMs: HOUR });
  lastSeen.mark(uuid);
  await lastSeen.flush();
  expect(lastSeen.latest(uuid)).toBeInstanceOf(Date);
  broken = false;
  await lastSeen.stop();
  expect(await seen([uuid])).toBe(1);
  await database.pool.query(`update devices set last_seen_at = now() + interval '1 hour' where uuid = $1`, [uuid]);
  const late = createLastSeen(database.pool, log, { everyMs: HOUR });
  late.mark(uuid);
  await late.stop();
  const { rows } = await database.pool.query('select last_seen_at > now() as ahead from devices where uuid = $1', [
    uuid,
  ]);
  expect(rows[0].ahead).toBe(true);
});

test('two processes that write the same devices at once do not block each other for good', async () => {
  const uuids = await devices(2000);
  const writers = [uuids, [...uuids].reverse()].map((order) => {
    const lastSeen = createLastSeen(database.pool, log, { everyMs: HOUR });
    for (const uuid of order) lastSeen.mark(uuid);
    return lastSeen;
  });
  await Promise.all(writers.map((writer) => writer.stop()));
  expect(writers.map((writer) => writer.latest(uuids[0] as string))).toEqual([null, null]);
  expect(await seen(uuids)).toBe(2000);
});
