import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, dockerHubBody, envelope, startIntake, type Intake } from '../support/intake';

let database: TestDatabase;
let intake: Intake;

beforeAll(async () => {
  database = await createTestDatabase();
  intake = await startIntake(database.pool);
});
beforeEach(async () => {
  await database.pool.query('truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies cascade');
  await addPolicy(database.pool, 'redis:*');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

async function endAll(status: string): Promise<void> {
  await database.pool.query('update image_rollouts set status = $1, ended_at = now() where ended_at is null', [status]);
}

test.each<[string, object]>([
  ['a name and a tag', { image: 'redis', tag: '7.5-alpine' }],
  ['the tag in the image', { image: 'docker.io/library/redis:7.5-alpine' }],
  ['the tag in both', { image: 'library/redis:7.5-alpine', tag: '7.5-alpine' }],
  ['a digest as well', { image: `redis:7.5-alpine@${digestOf('a')}` }],
])('%s is accepted like a push, with the token as its actor', async (_, body) => {
  const answer = await intake.trigger(body);
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({
    message: 'Update processed successfully',
    outcome: 'started',
    tag: '7.5-alpine',
    results: [{ registry: 'docker.io', repository: 'library/redis' }],
  });
  const { rows } = await database.pool.query('select trigger, actor from image_rollouts');
  expect(rows).toEqual([{ trigger: 'manual', actor: 'admin' }]);
  const events = await database.pool.query('select type, actor from rollout_events order by id');
  expect(events.rows).toEqual([
    { type: 'image.update_triggered', actor: 'admin' },
    { type: 'rollout.accepted', actor: 'admin' },
  ]);
});

test.each<[string, object, string]>([
  ['two tags', { image: 'redis:7', tag: '8' }, 'tag'],
  ['no tag', { image: 'redis' }, 'tag'],
  ['no image name', { image: 'Redis', tag: '7' }, 'image'],
  ['no tag name', { image: 'redis', tag: '.7' }, 'tag'],
  ['a plan', { image: 'redis', tag: '7', plan_hash: 'x' }, 'plan_hash'],
])('422 for %s', async (_, body, path) => {
  const answer = await intake.trigger(body);
  expect(answer.status).toBe(422);
  expect(answer.body.errors[0]?.path).toBe(path);
});

test('422 for an unknown field, 401 for an unknown token', async () => {
  expect((await intake.trigger({ image: 'redis', tag: '7', forse: true })).status).toBe(422);
  expect((await intake.trigger({ image: 'redis', tag: '7' }, 'nobody')).status).toBe(401);
});

test('asked twice it is a duplicate; force makes the next attempt once the first has ended', async () => {
  const first = await intake.trigger({ image: 'redis', tag: '7' });
  expect((await intake.trigger({ image: 'redis:7' })).body).toMatchObject({
    outcome: 'duplicate',
    message: expect.stringMatching(/already has a rollout.*\{"force": true\}/),
    rollout_id: first.body.rollout_id,
  });

  const running = await intake.trigger({ image: 'redis', tag: '7', force: true });
  expect(running.status).toBe(409);
  expect(running.body).toMatchObject({
    rollout_id: first.body.rollout_id,
    type: 'urn:fleetwave:problem:rollout-running',
  });

  await endAll('completed');
  expect((await intake.trigger({ image: 'redis', tag: '7', force: true })).body.outcome).toBe('started');
  const { rows } = await database.pool.query('select attempt from image_rollouts order by attempt');
  expect(rows).toEqual([{ attempt: 1 }, { attempt: 2 }]);
});

test('without a digest it means what the tag was last seen with, so a webhook before it is not rolled out again', async () => {
  const pushed = await intake.deliver(envelope({ id: 'e1', tag: '2.0', digest: digestOf('a') }));
  const asked = { image: 'registry.example.com:5000/team/api', tag: '2.0' };
  expect((await intake.trigger(asked)).body).toMatchObject({
    outcome: 'duplicate',
    rollout_id: pushed.body.rollout_id,
  });
  await endAll('completed');
  await intake.trigger({ ...asked, force: true });
  const { rows } = await database.pool.query('select digest, revision, attempt from image_rollouts where attempt = 2');
  expect(rows).toEqual([{ digest: digestOf('a'), revision: digestOf('a'), attempt: 2 }]);
});

test('force passes over a hold and leaves it standing', async () => {
  await intake.deliver(dockerHubBody('redis', '7'));
  await endAll('rolled_back');
  await database.pool.query(
    `insert into image_holds (image, tag, revision, reason) select image, tag, revision, 'rolled back' from image_rollouts`,
  );
  expect((await intake.trigger({ image: 'redis', tag: '7' })).body.outcome).toBe('held');
  expect((await intake.trigger({ image: 'redis', tag: '7', force: true })).body.outcome).toBe('started');
  expect((await database.pool.query('select from image_holds where lifted_at is null')).rowCount).toBe(1);
});

test('without a policy nothing is started, and the answer says so', async () => {
  expect((await intake.trigger({ image: 'postgres', tag: '17', force: true })).body).toMatchObject({
    outcome: 'no_matching_policy',
    rollout_id: null,
  });
});

test("another attempt asks the registry anew: a digest that it gave the last one is not taken for the sender's", async () => {
  const first = await intake.trigger({ image: 'redis', tag: '7.5-alpine' });
  await database.pool.query(`update image_rollouts set digest = $2, resolution = $3 where id = $1`, [
    first.body.rollout_id,
    digestOf('a'),
    { outcome: 'found', digest: digestOf('a'), platforms: [], asked_at: '', why: null, gave_digest: true },
  ]);
  await endAll('cancelled');
  const again = await intake.trigger({ image: 'redis', tag: '7.5-alpine', force: true });
  expect(again.body.outcome).toBe('started');
  const { rows } = await database.pool.query('select digest, revision, attempt from image_rollouts order by attempt');
  expect(rows).toMatchObject([{ digest: digestOf('a') }, { digest: null, attempt: 2 }]);
  expect(rows[1].revision).toBe(rows[0].revision);
});
