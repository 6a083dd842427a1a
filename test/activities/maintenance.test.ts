import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('deletes old deliveries and the events of rollouts that ended long ago, in chunks, and nothing else', async () => {
  const { pool } = database;
  await pool.query(
    `insert into webhook_deliveries (source, delivery_key, last_received_at)
     select 'test', n::text, now() - make_interval(days => case when n <= 12000 then 100 else 10 end) from generate_series(1, 12003) n`,
  );
  const [old, recent, running] = [await seedRollout(pool), await seedRollout(pool), await seedRollout(pool)];
  const end = (id: string, days: number) =>
    pool.query(
      "update image_rollouts set status = 'completed', ended_at = now() - make_interval(days => $2) where id = $1",
      [id, days],
    );
  await end(old, 100);
  await end(recent, 10);
  for (const id of [old, recent, running])
    await pool.query(
      "insert into rollout_events (rollout_id, type, at) select $1, 'test', now() - interval '1 year' from generate_series(1, 6000)",
      [id],
    );

  await pool.query(
    `insert into plan_previews (plan_hash, created_at, image, tag, rules, device_uuids, batches, changes)
     select encode(sha256(n::text::bytea), 'hex'), now() - make_interval(days => n), 'docker.io/library/redis', '7', '{}', '{}', '{}', '{}'
       from generate_series(5, 9) n`,
  );

  await pool.query(
    `insert into webhook_requests (id, received_at, method, headers, query, body, body_bytes)
     select gen_random_uuid(), now() - make_interval(days => n), 'POST', '{}', '{}', '', 0 from generate_series(5, 8) n`,
  );

  const { pruneHistory } = createActivities({ pool, chunkSize: 10 });
  const environment = new MockActivityEnvironment();
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(details));
  expect(await environment.run(pruneHistory, { olderThanDays: 90, bodiesOlderThanDays: 7 })).toEqual({
    deliveries: 12_000,
    events: 6000,
    previews: 3,
    bodies: 2,
  });
  expect(heartbeats.length).toBeGreaterThanOrEqual(5);
  expect(await new MockActivityEnvironment().run(pruneHistory, { olderThanDays: 90, bodiesOlderThanDays: 7 })).toEqual({
    deliveries: 0,
    events: 0,
    previews: 0,
    bodies: 0,
  });

  const left = await pool.query<{ deliveries: number; events: number; rollouts: number; previews: number }>(
    `select (select count(*) from webhook_deliveries)::int as deliveries, (select count(*) from rollout_events)::int as events,
            (select count(*) from image_rollouts)::int as rollouts, (select count(*) from plan_previews)::int as previews`,
  );
  expect(left.rows[0]).toEqual({ deliveries: 3, events: 12_000, rollouts: 3, previews: 2 });
});
