import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createPool } from '../../src/db/pool';
import { freePort } from '../../src/dev/ports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  addPolicy,
  countStatements,
  digestOf,
  dockerHubBody,
  envelope,
  startIntake,
  webhookFixture,
  type Intake,
  type IntakeAnswer,
} from '../support/intake';

const A = digestOf('a');
const B = digestOf('b');
let database: TestDatabase;
let intake: Intake;
let policyId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  intake = await startIntake(database.pool);
});
beforeEach(async () => {
  await database.pool.query('truncate webhook_deliveries, image_rollouts, image_holds, image_update_policies cascade');
  policyId = await addPolicy(database.pool, 'redis:*');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
});
afterAll(async () => {
  await intake.close();
  await database.drop();
});

let events = 0;
/** A push of team/api:2.0 under an event id of its own, a minute after the one before. */
async function push(digest: string, fields: { id?: string; timestamp?: string } = {}): Promise<IntakeAnswer> {
  events += 1;
  const timestamp = new Date(Date.UTC(2026, 0, 1, 0, events)).toISOString();
  return (await intake.deliver(envelope({ id: `event-${String(events)}`, tag: '2.0', digest, timestamp, ...fields })))
    .body;
}

async function end(rolloutId: string | null, status: string): Promise<void> {
  await database.pool.query(
    'update image_rollouts set status = $2, ended_at = now(), dispatched_at = now() where id = $1',
    [rolloutId, status],
  );
}

async function rolloutCount(): Promise<number> {
  return (await database.pool.query('select from image_rollouts')).rowCount ?? -1;
}

test.each([['distribution-push-index'], ['dockerhub-push'], ['original-docker-hub']])(
  'fault of the original: %s delivered 20 times at once is one rollout and 19 duplicates with its id',
  async (fixture) => {
    const body = webhookFixture(fixture);
    const answers = await Promise.all(Array.from({ length: 20 }, () => intake.deliver(body)));
    expect(answers.map((one) => one.status)).toEqual(Array(20).fill(202));
    const outcomes = answers.map((one) => one.body.outcome).sort();
    expect(outcomes).toEqual([...Array<string>(19).fill('duplicate'), 'started']);
    expect(new Set(answers.map((one) => one.body.rollout_id)).size).toBe(1);
    expect(answers.map((one) => one.body.strategy)).toEqual(Array(20).fill('staged'));
    expect(await rolloutCount()).toBe(1);
    const deliveries = await database.pool.query('select times_received from webhook_deliveries');
    expect(deliveries.rows).toEqual([{ times_received: 20 }]);
  },
);

test('20 deliveries of their own ids at once, for one digest, are one rollout and 19 duplicates', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => push(A)));
  expect(answers.map((one) => one.outcome).sort()).toEqual([...Array<string>(19).fill('duplicate'), 'started']);
  expect(new Set(answers.map((one) => one.rollout_id)).size).toBe(1);
  expect(await rolloutCount()).toBe(1);
});

test('envelopes that share events in other orders do not wait for each other', async () => {
  const parse = (index: number) =>
    (
      JSON.parse(envelope({ id: `shared-${String(index)}`, tag: `3.${String(index)}`, digest: A })) as {
        events: unknown[];
      }
    ).events;
  const all = Array.from({ length: 8 }, (_, index) => parse(index)).flat();
  const bodies = Array.from({ length: 10 }, (_, turn) =>
    JSON.stringify({ events: turn % 2 === 0 ? all : [...all].reverse() }),
  );
  const answers = await Promise.all(bodies.map((body) => intake.deliver(body)));
  expect(answers.map((one) => one.status)).toEqual(Array(10).fill(202));
  expect(await rolloutCount()).toBe(8);
});

test('a repeated delivery costs three statements and no look at Temporal', async () => {
  const body = webhookFixture('distribution-push-index');
  await intake.deliver(body);
  const statements = await countStatements(database.pool, async (pool) => {
    const counted = await startIntake(pool);
    try {
      expect((await counted.deliver(body)).body.outcome).toBe('duplicate');
    } finally {
      await counted.close();
    }
  });
  expect(statements.map((text) => text.trim().split(/\s/, 1)[0])).toEqual(['begin', 'insert', 'commit']);
});

test('fault of the original: the answer does not wait for devices; a push costs eight statements in a fleet of any size', async () => {
  await database.pool.query(
    `with made as (insert into devices (uuid) select gen_random_uuid() from generate_series(1, 1000) returning uuid)
     insert into device_target_state (device_uuid, apps) select uuid, '{"1":{"services":[{"imageName":"redis:7"}]}}' from made`,
  );
  const statements = await countStatements(database.pool, async (pool) => {
    const counted = await startIntake(pool);
    try {
      expect((await counted.deliver(webhookFixture('dockerhub-push'))).body.outcome).toBe('started');
    } finally {
      await counted.close();
    }
  });
  expect(statements).toHaveLength(8);
});

test('an event that comes again in another envelope is the same event', async () => {
  const first = await push(A, { id: 'kept-over-retries' });
  const other = JSON.parse(envelope({ id: 'new', tag: '2.1', digest: A })) as { events: unknown[] };
  const repeated = JSON.parse(envelope({ id: 'kept-over-retries', tag: '2.0', digest: A })) as { events: unknown[] };
  const { body } = await intake.deliver(JSON.stringify({ events: [...other.events, ...repeated.events] }));
  expect(body.results.map((one) => one.outcome)).toEqual(['started', 'duplicate']);
  expect(body.results[1]?.rollout_id).toBe(first.rollout_id);
});

test('a tag moved back to an earlier digest is a new attempt, but a late repetition of the earlier push is none', async () => {
  const first = await push(A, { timestamp: '2026-02-01T00:00:00Z' });
  const second = await push(B, { timestamp: '2026-02-02T00:00:00Z' });
  expect([first.outcome, second.outcome]).toEqual(['started', 'superseding']);
  const late = await push(A, { timestamp: '2026-02-01T00:00:00Z' });
  expect(late).toMatchObject({ outcome: 'duplicate', rollout_id: first.rollout_id });
  const back = await push(A, { timestamp: '2026-02-03T00:00:00Z' });
  expect(back.outcome).toBe('superseding');
  expect(back.rollout_id).not.toBe(first.rollout_id);
  const rows = await database.pool.query('select revision, attempt, status from image_rollouts order by created_at');
  expect(rows.rows).toEqual([
    { revision: A, attempt: 1, status: 'superseded' },
    { revision: B, attempt: 1, status: 'superseded' },
    { revision: A, attempt: 2, status: 'pending' },
  ]);
});

test('out of order: an older push of a tag that arrives after a newer one does not undo it', async () => {
  const newer = await push(B, { timestamp: '2026-02-02T00:00:00Z' });
  const older = await push(A, { timestamp: '2026-02-01T00:00:00Z' });
  expect(older).toMatchObject({ outcome: 'ignored', rollout_id: null });
  expect(older.message).toContain(newer.rollout_id);
  expect(await rolloutCount()).toBe(1);
});

test.each(['completed', 'failed', 'rolled_back', 'cancelled'])(
  'a push of the revision that a rollout has ended with as %s is a duplicate',
  async (status) => {
    const first = await push(A);
    await end(first.rollout_id, status);
    expect(await push(A)).toMatchObject({ outcome: 'duplicate', rollout_id: first.rollout_id });
  },
);

test('a standing hold answers held and starts nothing; once lifted, the next push is a new attempt', async () => {
  const first = await push(A);
  await end(first.rollout_id, 'rolled_back');
  await database.pool.query(
    `insert into image_holds (image, tag, revision, rollout_id, reason) values ('registry.example.com:5000/team/api', '2.0', $1, $2, 'rolled back')`,
    [A, first.rollout_id],
  );
  expect(await push(A, { id: 'while-held' })).toMatchObject({
    outcome: 'held',
    rollout_id: first.rollout_id,
    message: expect.stringContaining('rolled back'),
  });
  expect(await push(B)).toMatchObject({ outcome: 'started' });
  const holds = await database.pool.query<{ id: string }>('select id from image_holds');
  expect(await push(A)).toMatchObject({
    outcome: 'held',
    rollout_id: first.rollout_id,
    message: expect.stringContaining(`DELETE /api/v1/holds/${holds.rows[0]?.id ?? ''}`),
  });
  await database.pool.query('update image_holds set lifted_at = now()');
  expect(await push(A, { id: 'while-held' })).toMatchObject({ outcome: 'superseding' });
});

test('the very same delivery, repeated after its rollout was rolled back, is told of the hold', async () => {
  const body = dockerHubBody('redis', '7.5-alpine');
  const first = await intake.deliver(body);
  const rolloutId = first.body.rollout_id as string;
  await end(rolloutId, 'rolled_back');
  await database.pool.query(
    `insert into image_holds (image, tag, revision, rollout_id, reason) select image, tag, revision, id, 'rolled back' from image_rollouts where id = $1`,
    [rolloutId],
  );
  expect((await intake.deliver(body)).body).toMatchObject({ outcome: 'held', rollout_id: rolloutId });
  await database.pool.query('update image_holds set lifted_at = now()');
  expect((await intake.deliver(body)).body).toMatchObject({
    outcome: 'duplicate',
    rollout_id: rolloutId,
    message: expect.stringContaining('{"force": true} on POST /api/v1/images/trigger-update'),
  });
});

test('no_matching_policy names the remedy, and the same delivery is judged again once the policy is there', async () => {
  await database.pool.query('delete from image_update_policies');
  const body = dockerHubBody('redis', '7.5-alpine');
  const before = await intake.deliver(body);
  expect(before).toMatchObject({ status: 202, body: { outcome: 'no_matching_policy', rollout_id: null } });
  expect(before.body.message).toMatch(/image-policies/);
  await addPolicy(database.pool, 'redis:*');
  expect((await intake.deliver(body)).body.outcome).toBe('started');
  expect((await intake.deliver(body)).body.outcome).toBe('duplicate');
});

test('a tag that the rule of its policy leaves out is not eligible, and the answer says why', async () => {
  await database.pool.query('update image_update_policies set settings = $2 where id = $1', [
    policyId,
    { tag_rule: { kind: 'glob', pattern: '7.*' } },
  ]);
  const { status, body } = await intake.deliver(dockerHubBody('redis', 'nightly'));
  expect(status).toBe(202);
  expect(body).toMatchObject({ outcome: 'not_eligible', rollout_id: null, message: expect.stringContaining('7.*') });
  expect(await rolloutCount()).toBe(0);
});

test("fault of the original: a policy */nginx does not make every webhook fail, and a policy's devices are copied into the rollout", async () => {
  await addPolicy(database.pool, '*/nginx');
  await database.pool.query("update image_update_policies set fleet_id = 'lab', device_tags = $2 where id = $1", [
    policyId,
    { ring: 'canary' },
  ]);
  const { body } = await intake.deliver(dockerHubBody('redis', '7.5-alpine'));
  expect(body.outcome).toBe('started');
  const { rows } = await database.pool.query('select selection, policy_id from image_rollouts');
  expect(rows).toEqual([{ selection: { fleetId: 'lab', deviceTags: { ring: 'canary' } }, policy_id: policyId }]);
});

test('fault of the original: a policy of strategy manual makes a rollout that waits for an operator', async () => {
  await database.pool.query("update image_update_policies set update_strategy = 'manual' where id = $1", [policyId]);
  expect((await intake.deliver(dockerHubBody('redis', '7.5-alpine'))).body).toMatchObject({
    outcome: 'started',
    strategy: 'manual',
  });
  const { rows } = await database.pool.query("select rules -> 'requiresApproval' as approval from image_rollouts");
  expect(rows).toEqual([{ approval: true }]);
});

test('fault of the original: no table needs a partition of the day, so no webhook fails for want of one', async () => {
  expect((await database.pool.query('select from pg_partitioned_table')).rowCount).toBe(0);
});

test('a push that was planned already, its start not yet noted, is not ended under its running workflow', async () => {
  const older = await push(A);
  await database.pool.query('update image_rollouts set planned_at = now() where id = $1', [older.rollout_id]);
  expect((await push(B)).outcome).toBe('superseding');
  const { rows } = await database.pool.query('select status from image_rollouts where id = $1', [older.rollout_id]);
  expect(rows).toEqual([{ status: 'pending' }]);
});

test('with PostgreSQL away the answer is 503 with Retry-After, and nothing is acknowledged', async () => {
  const pool = createPool({
    url: `postgresql://nobody@127.0.0.1:${String(await freePort())}/none`,
    size: 2,
    applicationName: 'test',
  });
  const away = await startIntake(pool);
  try {
    const answer = await away.deliver(webhookFixture('dockerhub-push'));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(away.wakes()).toBe(0);
  } finally {
    await away.close();
    await pool.end();
  }
});

test('a transaction that fails at its commit leaves nothing, and the repetition is accepted', async () => {
  await database.pool.query(
    `create function fail_once() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '57P01'; end $$;
     create constraint trigger fail_at_commit after insert on image_rollouts deferrable initially deferred for each row execute function fail_once()`,
  );
  const body = webhookFixture('dockerhub-push');
  expect((await intake.deliver(body)).status).toBe(503);
  await database.pool.query('drop trigger fail_at_commit on image_rollouts; drop function fail_once()');
  expect((await database.pool.query('select from webhook_deliveries')).rowCount).toBe(0);
  expect((await intake.deliver(body)).body.outcome).toBe('started');
});
