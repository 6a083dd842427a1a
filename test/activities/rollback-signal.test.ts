import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { readBatches } from '../../src/db/batch-signals';
import { acceptReport } from '../support/one-report';
import { openRollback } from '../../src/db/restore';
import { noteworthyOutcome } from '../../src/domain/noteworthy';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await database.drop();
});

/**
 * The demo once waited 27 s for nothing: a report between the start of the rollback and the writing of the first device
 * was signalled as the rollback's end, and the signal of the true end was then left out as a repetition.
 */
test('a rollback is signalled as over only when its last device has confirmed, not before its first one was put back', async () => {
  const { pool } = database;
  const activities = createActivities({ pool, chunkSize: 2 });
  const environment = new MockActivityEnvironment();
  await seedDevices(pool, 3, () => appWith('redis:7-alpine'));
  const rolloutId = await seedRollout(pool, { rules: { steps: [{ percent: 100 }] } });
  await environment.run(activities.planRollout, { rolloutId });
  await environment.run(activities.applyBatch, { rolloutId, batch: 1 });
  const outcomes = async () => (await readBatches(pool, [{ rolloutId, batch: 1 }])).map(noteworthyOutcome);

  await openRollback(pool, { rolloutId: rolloutId, reason: 'test', actor: 'test', scope: 'all' });
  expect(await outcomes()).toEqual([null]);
  await environment.run(activities.restoreDevices, { rolloutId, reason: 'test', actor: 'test' });
  const apps = {
    '1002': { services: [{ serviceId: 1, serviceName: 'redis', imageName: 'redis:7-alpine', status: 'running' }] },
  };
  for (const { device } of await deviceRows(pool, rolloutId)) {
    expect(await outcomes()).toEqual([null]);
    await acceptReport(pool, { deviceUuid: device, apps, version: 99, info: {} });
  }
  expect(await outcomes()).toEqual(['rolled back']);
});
