import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.pool.query('truncate devices, image_rollouts cascade'));
afterAll(() => database.drop());

function plan(rolloutId: string) {
  return new MockActivityEnvironment().run(createActivities({ pool: database.pool, chunkSize: 100 }).planRollout, {
    rolloutId,
  });
}

it.each(['pending', 'completed'])(
  'a rollout that comes to be planned late leaves devices to a newer one, in which they are %s',
  async (status) => {
    await seedDevices(database.pool, 4, () => appWith('redis:1.0'));
    const older = await seedRollout(database.pool, { tag: '1.1' });
    const newer = await seedRollout(database.pool, { tag: '1.2' });
    await plan(newer);
    await database.pool.query(
      `update device_rollout_status set status = $2, active = $2 = 'pending', written_at = now() where rollout_id = $1`,
      [newer, status],
    );

    expect(await plan(older)).toMatchObject({ outcome: 'planned', batches: [], leftOut: 4 });

    expect((await deviceRows(database.pool, older)).map(({ status, reason }) => [status, reason])).toEqual(
      Array.from({ length: 4 }, () => ['skipped', 'a newer rollout has it by now']),
    );
    expect((await deviceRows(database.pool, newer)).map((row) => row.status)).toEqual(
      Array.from({ length: 4 }, () => status),
    );
  },
);
