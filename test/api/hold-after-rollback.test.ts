import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities } from '../../src/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, envelope, startIntake, type Intake, type IntakeAnswer } from '../support/intake';

const A = digestOf('a');
const B = digestOf('b');
let database: TestDatabase;
let intake: Intake;

beforeAll(async () => {
  database = await createTestDatabase();
  intake = await startIntake(database.pool);
});
beforeEach(async () => {
  await database.pool.query('truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies cascade');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

async function push(id: string, digest: string): Promise<IntakeAnswer> {
  return (await intake.deliver(envelope({ id, tag: '2.0', digest }))).body;
}

/** Ends the rollout as the workflow does, twice, as after a lost answer. */
async function end(rolloutId: unknown, status: 'rolled_back' | 'cancelled', hold: boolean): Promise<void> {
  const { finishRollout } = createActivities({ pool: database.pool, chunkSize: 100 });
  const ending = { status, reason: 'three of five failed', actor: 'fleetwave', error: null, hold };
  for (let time = 0; time < 2; time++)
    await new MockActivityEnvironment().run(finishRollout, { rolloutId: String(rolloutId), ...ending });
}

test('what was rolled back stays back: no repetition, no other event of the digest starts it again, another digest does', async () => {
  const { rollout_id: rolloutId } = await push('e1', A);
  await end(rolloutId, 'rolled_back', true);
  for (const id of ['e1', 'e2', 'e3'])
    expect(await push(id, A)).toMatchObject({ outcome: 'held', rollout_id: rolloutId });
  expect((await database.pool.query('select reason from image_holds')).rows).toEqual([
    { reason: 'three of five failed' },
  ]);
  expect(await push('e4', B)).toMatchObject({ outcome: 'started' });
});

test('what was held without a digest is held under the one that its registry has said since', async () => {
  const hub = JSON.stringify({
    repository: { repo_name: 'registry.example.com:5000/team/api' },
    push_data: { tag: '2.0', pushed_at: 1_700_000_000 },
  });
  const { rollout_id: rolloutId } = (await intake.deliver(hub)).body;
  await database.pool.query(
    `update image_rollouts set digest = $2, resolution = '{"outcome": "found", "gave_digest": true}' where id = $1`,
    [rolloutId, A],
  );
  await end(rolloutId, 'rolled_back', true);
  expect(await push('e1', A)).toMatchObject({ outcome: 'held', rollout_id: rolloutId });
  expect(await push('e2', B)).toMatchObject({ outcome: 'started' });
  expect(await push('e3', A)).toMatchObject({ outcome: 'held' });
  await database.pool.query('update image_holds set lifted_at = now()');
  expect((await push('e4', A)).outcome).toBe('superseding');
});

test('the same image can be rolled out again after its rollback, once a person has lifted the hold', async () => {
  const { rollout_id: rolloutId } = await push('e1', A);
  await end(rolloutId, 'rolled_back', true);
  await database.pool.query('update image_holds set lifted_at = now()');
  expect((await push('e2', A)).outcome).toBe('started');
  expect((await database.pool.query('select attempt from image_rollouts order by attempt')).rows).toEqual([
    { attempt: 1 },
    { attempt: 2 },
  ]);
});

test('a rollout that ends without a hold leaves none', async () => {
  const { rollout_id: rolloutId } = await push('e1', A);
  await end(rolloutId, 'cancelled', false);
  expect((await push('e2', A)).outcome).toBe('duplicate');
  expect((await database.pool.query('select from image_holds')).rowCount).toBe(0);
});
