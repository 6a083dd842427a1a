import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('the verdict of a batch is given once: a second one, the same or another, changes nothing and is not told', async () => {
  const activities = createActivities({ pool: database.pool, chunkSize: 100 });
  const run = <A extends unknown[], R>(activity: (...args: A) => Promise<R>, ...args: A): Promise<R> =>
    new MockActivityEnvironment().run(activity, ...args);
  await seedDevices(database.pool, 2, () => appWith('redis:7-alpine'));
  const rolloutId = await seedRollout(database.pool);
  await run(activities.planRollout, { rolloutId });
  await run(activities.applyBatch, { rolloutId, batch: 1 });
  const failed = { rule: 'failure_rate', explanation: 'one of one failed', counts: { failed: 1 } };
  const passed = { rule: 'all_settled', explanation: 'one of one healthy', counts: { completed: 1 } };
  await run(activities.closeBatch, { rolloutId, batch: 1, status: 'failed', ...failed });
  await run(activities.closeBatch, { rolloutId, batch: 1, status: 'failed', ...failed });
  await run(activities.closeBatch, { rolloutId, batch: 1, status: 'passed', ...passed });

  const batches = await database.pool.query(
    'select number, status, rule, ended_at is not null as ended from rollout_batches where rollout_id = $1 order by number',
    [rolloutId],
  );
  expect(batches.rows).toEqual([
    { number: 1, status: 'failed', rule: 'failure_rate', ended: true },
    { number: 2, status: 'pending', rule: null, ended: false },
  ]);
  const told = await database.pool.query(
    "select type, batch from rollout_events where rollout_id = $1 and type in ('rollout.batch_failed', 'rollout.batch_passed')",
    [rolloutId],
  );
  expect(told.rows).toEqual([{ type: 'rollout.batch_failed', batch: 1 }]);
});
