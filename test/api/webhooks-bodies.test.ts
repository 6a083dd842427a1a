import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, dockerHubBody, startIntake, webhookFixture, type Intake } from '../support/intake';

const DISTRIBUTION_V1 = { 'content-type': 'application/vnd.docker.distribution.events.v1+json' };
const DISTRIBUTION_V2 = { 'content-type': 'application/vnd.docker.distribution.events.v2+json; charset=utf-8' };
const json = { 'content-type': 'application/json' };
let database: TestDatabase;
let intake: Intake;

beforeAll(async () => {
  database = await createTestDatabase();
  intake = await startIntake(database.pool);
  await addPolicy(database.pool, 'redis:*');
  await addPolicy(database.pool, 'acme/api:*', {}, 'auto');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
  await addPolicy(database.pool, 'ghcr.io/acme/api:*');
});
beforeEach(async () => {
  await database.pool.query('truncate webhook_deliveries, image_rollouts cascade');
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

async function rollouts(): Promise<Record<string, unknown>[]> {
  return (await database.pool.query<Record<string, unknown>>('select * from image_rollouts order by created_at')).rows;
}

test("Docker Hub's body as the original took it is answered with the five fields", async () => {
  const { status, body } = await intake.deliver(webhookFixture('original-docker-hub'));
  expect(status).toBe(202);
  expect(body).toEqual({
    message: 'Webhook processed successfully',
    rollout_id: expect.any(String),
    strategy: 'staged',
    image: 'redis',
    tag: '7.5-alpine',
    outcome: 'started',
    results: [
      {
        registry: 'docker.io',
        repository: 'library/redis',
        tag: '7.5-alpine',
        digest: null,
        event_id: null,
        outcome: 'started',
        policy_id: expect.any(String),
        rollout_id: body.rollout_id,
        strategy: 'staged',
      },
    ],
  });
  expect(intake.wakes()).toBeGreaterThan(0);
});

test('an accepted rollout carries the rules of its policy, its first events, and waits in the outbox', async () => {
  const { body } = await intake.deliver(webhookFixture('dockerhub-push'));
  expect(await rollouts()).toEqual([
    expect.objectContaining({
      id: body.rollout_id,
      image: 'docker.io/library/redis',
      image_name: 'redis',
      registry: 'docker.io',
      repository: 'library/redis',
      tag: '7.5-alpine',
      digest: null,
      revision: 'pushed-at:2026-01-01T00:00:00.000Z',
      attempt: 1,
      status: 'pending',
      strategy: 'staged',
      rules: expect.objectContaining({
        strategy: 'staged',
        steps: [{ percent: 10 }, { percent: 50 }, { percent: 100 }],
        batchDelaySeconds: 1800,
      }),
      selection: {},
      trigger: 'webhook',
      actor: 'webhook:docker-registry',
      workflow_id: 'rollout:docker.io/library/redis:7.5-alpine',
      dispatched_at: null,
    }),
  ]);
  const events = await database.pool.query('select type from rollout_events where rollout_id = $1 order by id', [
    body.rollout_id,
  ]);
  expect(events.rows).toEqual([{ type: 'image.webhook_received' }, { type: 'rollout.accepted' }]);
});

test('an older Docker Hub body with a float time and without repo_name', async () => {
  const { body } = await intake.deliver(webhookFixture('dockerhub-push-float-time'));
  expect(body).toMatchObject({ outcome: 'started', image: 'acme/api', strategy: 'auto' });
  expect(await rollouts()).toEqual([expect.objectContaining({ revision: 'pushed-at:2014-12-03T00:22:41.000Z' })]);
});

test.each([
  ['v1', DISTRIBUTION_V1],
  ['v2', DISTRIBUTION_V2],
  ['plain JSON', json],
])("Distribution's envelope as %s", async (_, headers) => {
  const { status, body } = await intake.deliver(webhookFixture('distribution-push-index'), headers);
  expect(status).toBe(202);
  expect(body).toMatchObject({
    outcome: 'started',
    image: 'team/api',
    tag: '2.0.0',
    results: [
      {
        registry: 'registry.example.com:5000',
        repository: 'team/api',
        digest: digestOf('a'),
        event_id: 'c2d3a001-0000-4000-8000-000000000001',
      },
    ],
  });
  expect(await rollouts()).toEqual([
    expect.objectContaining({
      image: 'registry.example.com:5000/team/api',
      revision: digestOf('a'),
      digest: digestOf('a'),
    }),
  ]);
});

test('a multi-arch push with its layers, children, signature and pulls is one rollout', async () => {
  const { status, body } = await intake.deliver(webhookFixture('distribution-multi-arch'), DISTRIBUTION_V2);
  expect(status).toBe(202);
  expect(body.results.map((one) => [one.tag, one.outcome])).toEqual([
    ['2.1.0', 'started'],
    [`sha256-${'b'.repeat(64)}.sig`, 'ignored'],
  ]);
  expect(await rollouts()).toHaveLength(1);
});

test('pulls, deletes and blobs are answered 200 and leave nothing behind', async () => {
  const { status, body } = await intake.deliver(webhookFixture('distribution-nothing-pushed'), DISTRIBUTION_V1);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    outcome: 'ignored',
    rollout_id: null,
    message: 'Ignored: no tag was pushed (1 pull, 1 delete, 1 push of a blob)',
  });
  expect((await database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
});

test('an empty envelope and a ping are ignored', async () => {
  expect(await intake.deliver('{"events":[]}', DISTRIBUTION_V2)).toMatchObject({
    status: 200,
    body: { outcome: 'ignored' },
  });
  expect(await intake.deliver('{"zen":"x"}', { ...json, 'x-github-event': 'ping' })).toMatchObject({
    status: 200,
    body: { outcome: 'ignored' },
  });
});

test('names that can never be rolled out are recorded with a reason and do not hold back their neighbour', async () => {
  const { status, body } = await intake.deliver(webhookFixture('distribution-unusable-names'), DISTRIBUTION_V2);
  expect(status).toBe(202);
  expect(body.results.map((one) => one.outcome)).toEqual(['ignored', 'ignored', 'ignored', 'ignored', 'started']);
  expect(body.results[0]?.detail).toContain('lower case');
  expect(body.results[2]?.detail).toContain('request.host');
  const recorded = await database.pool.query(
    "select from webhook_deliveries where results -> 0 ->> 'outcome' = 'ignored'",
  );
  expect(recorded.rowCount).toBe(4);
});

test("a malformed body under Distribution's own type is recorded, because it would be repeated without end", async () => {
  for (const body of ['{"events":', '{"events":{}}', '[]', 'null']) {
    expect(await intake.deliver(body, DISTRIBUTION_V1)).toMatchObject({ status: 200, body: { outcome: 'ignored' } });
  }
  expect((await database.pool.query('select from webhook_deliveries')).rowCount).toBe(4);
});

test.each<[string, string, string]>([
  ['no JSON', '{"push_data":', ''],
  ['no object', '"redis"', ''],
  ['no push_data', '{"repository":{"repo_name":"redis"}}', 'push_data'],
  ['no tag', '{"repository":{"repo_name":"redis"},"push_data":{}}', 'push_data.tag'],
  ['a tag that is a number', '{"repository":{"repo_name":"redis"},"push_data":{"tag":7}}', 'push_data.tag'],
  ['no name', '{"repository":{},"push_data":{"tag":"7"}}', 'repository.repo_name'],
  ['events that are no list', '{"events":{}}', 'events'],
])('422 naming the field: %s', async (_, body, path) => {
  const answer = await intake.deliver(body);
  expect(answer.status).toBe(422);
  expect(answer.body.errors).toEqual([{ path, message: expect.any(String) }]);
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])('415 for %s', async (type) => {
  expect((await intake.deliver('payload=x', { 'content-type': type })).status).toBe(415);
});

test.each(['application/json; charset=utf-8', 'application/cloudevents+json'])('%s is read', async (type) => {
  expect((await intake.deliver(webhookFixture('dockerhub-push'), { 'content-type': type })).status).toBe(202);
});

test('a compressed body is refused, because its signature could not be checked before unfolding it', async () => {
  expect((await intake.deliver('x', { ...json, 'content-encoding': 'gzip' })).status).toBe(415);
});

test('1 MiB is read, one byte more is 413', async () => {
  const body = dockerHubBody('redis', '7.0');
  expect((await intake.deliver(body.padEnd(1024 * 1024))).status).toBe(202);
  expect((await intake.deliver(body.padEnd(1024 * 1024 + 1))).status).toBe(413);
});

test("GitHub's package event is lower-cased to the image it names", async () => {
  const headers = { ...json, 'x-github-event': 'package', 'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958' };
  const { body } = await intake.deliver(webhookFixture('github-package-published'), headers);
  expect(body).toMatchObject({
    outcome: 'started',
    results: [
      {
        registry: 'ghcr.io',
        repository: 'acme/api',
        digest: digestOf('a'),
        event_id: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      },
    ],
  });
});

test.each<[string, string, string, string]>([
  ['registry:5000/redis', 'registry:5000', 'redis', 'registry:5000/redis'],
  ['docker.io/library/redis', 'docker.io', 'library/redis', 'docker.io/library/redis'],
  ['library/redis', 'docker.io', 'library/redis', 'library/redis'],
])('fault of the original: %s is not cut at its first colon', async (name, registry, repository, image) => {
  const { status, body } = await intake.deliver(dockerHubBody(name, '7.0'));
  expect(status).toBe(202);
  expect(body).toMatchObject({ image, results: [{ registry, repository, tag: '7.0' }] });
});

test('fault of the original: redis-stack is not redis', async () => {
  const { status, body } = await intake.deliver(dockerHubBody('redis-stack', '7.0'));
  expect(status).toBe(202);
  expect(body.outcome).toBe('no_matching_policy');
});

test('a digest or a tag inside the repository, and a tag that is a digest, are ignored with a reason', async () => {
  for (const body of [
    dockerHubBody('redis:7.0', '7.0'),
    dockerHubBody(`redis@${digestOf('a')}`, '7.0'),
    dockerHubBody('redis', digestOf('a')),
  ]) {
    expect(await intake.deliver(body)).toMatchObject({
      status: 200,
      body: { outcome: 'ignored', message: expect.any(String) },
    });
  }
});

test('text that PostgreSQL cannot hold does not fail the delivery', async () => {
  const { status, body } = await intake.deliver(dockerHubBody('re\u0000dis\ud800', '7.0'));
  expect(status).toBe(200);
  expect(body).toMatchObject({ outcome: 'ignored', image: 're\ufffddis\ufffd' });
});
