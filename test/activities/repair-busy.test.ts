import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { LatestRun } from '../../src/api/latest-run';
import { findTrouble } from '../../src/repair/find';
import type { ListedRun, Runs } from '../../src/repair/runs';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { seedRollout } from '../support/fleet-fixture';

/** A repair of an installation in which nothing is wrong finds nothing, whatever happens while it looks. */
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

/** A rollout that Temporal has started, with a device whose target a restored database would have to raise. */
async function dispatched(): Promise<string> {
  const id = await seedRollout(database.pool);
  await database.pool.query('update image_rollouts set dispatched_at = now() where id = $1', [id]);
  await database.pool.query(
    `with device as (insert into devices (uuid) values (gen_random_uuid()) returning uuid)
     insert into device_target_state (device_uuid, apps, version) select uuid, '{}', 1 from device`,
  );
  return id;
}
const end = (id: string, when: string) =>
  database.pool.query(`update image_rollouts set status = 'completed', ended_at = ${when} where id = $1`, [id]);

function find(latestRun: () => Promise<LatestRun | undefined>, runs: Partial<Runs> = {}) {
  const unasked = () => Promise.reject(new Error('nothing to ask for'));
  return findTrouble(
    {
      ...{ pool: database.pool, latestRun, progress: () => undefined },
      runs: { list: () => Promise.resolve([]), closing: unasked, deeds: unasked, terminate: unasked, ...runs },
    },
    false,
  );
}
const run = (rolloutId: string, state: string): LatestRun => ({
  ...{ rolloutId, runId: 'run-1', state, mayGoOn: false },
  result: state === 'COMPLETED' ? { status: 'completed', reason: 'all batches passed' } : null,
});

it('a rollout that ends between the look at its row and that at its workflow is none that a restore brought back', async () => {
  const id = await dispatched();
  const found = await find(async () => {
    await end(id, 'now()');
    return run(id, 'COMPLETED');
  });
  expect(found).toEqual([]);
});

it('one whose row goes on though its workflow has completed is', async () => {
  const id = await dispatched();
  const found = await find(() => Promise.resolve(run(id, 'COMPLETED')));
  expect(found.map(({ kind }) => kind)).toEqual(['versions', 'rollout']);
});

it('a rollback that reopens its rollout while it is looked at is not begun again', async () => {
  const id = await dispatched();
  await end(id, `now() - interval '1 hour'`);
  const workflowId = `rollback:${id}`;
  const listed: ListedRun = {
    ...{
      workflowId,
      runId: 'run-2',
      rolloutId: id,
      isRollback: true,
      image: 'docker.io/library/redis',
      tag: '7.5-alpine',
    },
    ...{ push: null, state: 'RUNNING', startedAt: Date.now() },
  };
  const deeds = { progressSeq: 0, paused: false, planned: false, closed: [], rollingBack: false, reopened: true };
  const reopens = async () => {
    await database.pool.query(
      `update image_rollouts set status = 'rolling_back', ended_at = null, workflow_id = $2, run_id = 'run-2' where id = $1`,
      [id, workflowId],
    );
    return deeds;
  };
  const list = () => Promise.resolve([listed]);
  const running = () => Promise.resolve(run(id, 'RUNNING'));
  expect(await find(running, { list, deeds: reopens })).toEqual([]);
  await end(id, `now() - interval '1 hour'`);
  await database.pool.query(`update image_rollouts set workflow_id = 'rollout:another' where id = $1`, [id]);
  const forgotten = await find(running, { list, deeds: () => Promise.resolve(deeds) });
  expect(forgotten.map(({ kind }) => kind)).toEqual(['versions', 'rollback']);
});
