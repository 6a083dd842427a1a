import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, envelope, startIntake, type Intake, type IntakeAnswer } from '../support/intake';

const PATTERN = 'registry.example.com:5000/team/api:*';
let database: TestDatabase;
let intake: Intake;

beforeAll(async () => {
  database = await createTestDatabase();
  intake = await startIntake(database.pool);
});
beforeEach(async () => {
  await database.pool.query('truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies cascade');
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

let pushes = 0;
async function push(tag = '7.5'): Promise<IntakeAnswer> {
  pushes += 1;
  const body = envelope({ id: `e${String(pushes)}`, tag, digest: digestOf((pushes % 16).toString(16)) });
  return (await intake.deliver(body)).body;
}
async function run(id: string | null, change = 'dispatched_at = now()'): Promise<void> {
  await database.pool.query(`update image_rollouts set ${change} where id = $1`, [id]);
}
const ended = `status = 'completed', ended_at = now()`;

test('a push is queued while another one of the tag, or of another tag of the image, has not ended', async () => {
  await addPolicy(database.pool, PATTERN, { on_newer: 'queue' });
  const first = await push();
  expect(first).toMatchObject({ outcome: 'started', message: 'Webhook processed successfully' });
  await run(first.rollout_id);
  const second = await push();
  expect(second).toMatchObject({
    outcome: 'queued',
    message: `It waits until rollout ${String(first.rollout_id)} (registry.example.com:5000/team/api:7.5) has ended: the policy says "on_newer": "queue".`,
  });
  expect((await push('7.6')).outcome).toBe('queued');
  await run(first.rollout_id, ended);
  await run(second.rollout_id, ended);
  expect((await push()).outcome).toBe('queued');
  await database.pool.query(`update image_rollouts set ${ended} where ended_at is null`);
  expect((await push()).outcome).toBe('started');
});

test('one that takes the place of a push that has not started waits for nobody', async () => {
  await addPolicy(database.pool, PATTERN, { on_newer: 'queue' });
  const first = await push();
  expect((await push()).outcome).toBe('started');
  const { rows } = await database.pool.query('select status from image_rollouts where id = $1', [first.rollout_id]);
  expect(rows).toEqual([{ status: 'superseded' }]);
});

test('a rollout under another policy, over other devices, is not waited for', async () => {
  const shops = await addPolicy(database.pool, PATTERN, { on_newer: 'queue' });
  const vehicles = await addPolicy(database.pool, PATTERN, { on_newer: 'queue' });
  const fleet = 'update image_update_policies set fleet_id = $2 where id = $1';
  await database.pool.query(fleet, [shops, 'shops']);
  await database.pool.query(fleet, [vehicles, 'vehicles']);
  const first = await push();
  await run(first.results[0]?.rollout_id ?? null, `dispatched_at = now(), ${ended}`);
  await run(first.results[1]?.rollout_id ?? null);
  expect((await push()).results.map((result) => result.outcome)).toEqual(['started', 'queued']);
});

test('what has ended makes a queued one due at once, and leaves one alone that is being started', async () => {
  await addPolicy(database.pool, PATTERN, { on_newer: 'queue' });
  const first = await push();
  await run(first.rollout_id);
  const second = await push();
  const due = async (): Promise<unknown> =>
    (
      await database.pool.query('select dispatch_after <= now() as due from image_rollouts where id = $1', [
        second.rollout_id,
      ])
    ).rows[0];
  const words = `dispatch_error = 'queued behind rollout x (y:z)'`;
  await run(second.rollout_id, `${words}, dispatch_after = now() + interval '20 seconds'`);
  await run(first.rollout_id, ended);
  expect(await due()).toEqual({ due: false });
  await run(first.rollout_id, `status = 'in_progress', ended_at = null`);
  await run(second.rollout_id, `${words}, dispatch_after = now() + interval '4 seconds'`);
  await run(first.rollout_id, ended);
  expect(await due()).toEqual({ due: true });
});
