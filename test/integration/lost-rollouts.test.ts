import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { endIfLost, lookAfterSilent } from '../../src/api/lost-rollouts';
import { startRollout } from '../../src/api/start-rollout';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { claimPending, markStarted, type PendingRollout } from '../../src/db/outbox';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { seedRollout } from '../support/fleet-fixture';
import { recordingLogger } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';

let database: TestDatabase;
let temporal: TestTemporal;
let gateway: TemporalGateway;
let tag: string;
const { log } = recordingLogger();

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
  const config = loadConfig({ TEMPORAL_ADDRESS: temporal.address, FLEETWAVE_TASK_QUEUE: temporal.taskQueue });
  gateway = createTemporalGateway({ config, log });
});
beforeEach(async () => {
  tag = `t${randomUUID().slice(0, 8)}`;
  await database.pool.query('truncate image_rollouts cascade');
});
afterEach(() => terminate().catch(() => undefined));
afterAll(async () => {
  await gateway.close();
  await temporal.close();
  await database.drop();
});

const workflowId = () => `rollout:docker.io/library/redis:${tag}`;
const terminate = () => temporal.client.workflow.getHandle(workflowId()).terminate('by an operator');
const deps = () => ({ pool: database.pool, temporal: gateway, log });

/** One process takes an accepted rollout in hand. */
async function claimed(): Promise<PendingRollout> {
  const [rollout] = await claimPending(database.pool, 1, 20_000);
  if (rollout === undefined) throw new Error('nothing was due');
  return rollout;
}

/** What accepting a newer push does to one that was not started. */
const overtake = (id: string) =>
  database.pool.query("update image_rollouts set status = 'superseded', ended_at = now(), reason = 'x' where id = $1", [
    id,
  ]);

async function row(id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query<Record<string, unknown>>('select * from image_rollouts where id = $1', [
    id,
  ]);
  return rows[0] ?? {};
}

async function signals(): Promise<(string | null | undefined)[]> {
  const { events } = await temporal.client.workflow.getHandle(workflowId()).fetchHistory();
  return (events ?? []).flatMap((event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? []);
}

/** A started rollout of which nothing was heard since the clock's beginning. */
async function silent(status = 'in_progress', paused = false): Promise<string> {
  const id = await seedRollout(database.pool, { tag });
  await database.pool.query(
    `update image_rollouts set status = $2, dispatched_at = now() - interval '1 hour', paused_at = case when $3 then now() end, progress_seq = 7
      where id = $1`,
    [id, status, paused],
  );
  await database.pool.query(
    "insert into rollout_events (rollout_id, type, at) values ($1, 'rollout.dispatched', now() - interval '1 hour')",
    [id],
  );
  return id;
}

const started = (id: string) =>
  gateway.start({
    workflowId: workflowId(),
    input: { rolloutId: id, image: 'docker.io/library/redis', tag },
    ...{ summary: 's', details: 'd' },
  });

test('a process that was slow with an overtaken push does not stop the newer one', async () => {
  const older = await seedRollout(database.pool, { tag });
  const slow = await claimed();
  await overtake(older);
  const newer = await seedRollout(database.pool, { tag });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  expect(await startRollout(deps(), slow)).toBe('overtaken');
  expect(await signals()).toEqual([]);
  expect(await row(newer)).toMatchObject({ status: 'pending', ended_at: null });
});

test('an older rollout that has not ended gives way to a newer one that runs', async () => {
  const older = await seedRollout(database.pool, { tag });
  const slow = await claimed();
  const newer = await seedRollout(database.pool, { tag });
  await started(newer);
  expect(await startRollout(deps(), slow)).toBe('overtaken');
  expect(await signals()).toEqual([]);
  expect(await row(older)).toMatchObject({ status: 'superseded', reason: expect.stringContaining(newer) });
});

test('a start that is noted late does not end the newer rollout, one in time ends the older one', async () => {
  const older = await seedRollout(database.pool, { tag });
  const slow = await claimed();
  await overtake(older);
  const newer = await seedRollout(database.pool, { tag });
  await markStarted(database.pool, { id: newer, workflowId: workflowId() }, 'run-2');
  await markStarted(database.pool, slow, 'run-1');
  expect(await row(newer)).toMatchObject({ status: 'pending', ended_at: null, run_id: 'run-2' });

  const newest = await seedRollout(database.pool, { tag });
  await markStarted(database.pool, { id: newest, workflowId: workflowId() }, 'run-3');
  expect(await row(newer)).toMatchObject({ status: 'failed', error: expect.stringContaining('"force": true') });
});

test('to give way is asked of the run that was seen, not of the one that follows it', async () => {
  const first = await seedRollout(database.pool, { tag });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  const seen = await gateway.runningRollout(workflowId());
  await terminate();
  await overtake(first);
  await seedRollout(database.pool, { tag });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  expect(await gateway.signal(workflowId(), 'supersede', {}, seen?.runId)).toBe('not_running');
  expect(await signals()).toEqual([]);
});

test('a rollout whose workflow was terminated is ended on request, one that runs is not', async () => {
  const id = await silent();
  await started(id);
  expect(await endIfLost(deps(), id)).toBe(false);
  expect(await row(id)).toMatchObject({ status: 'in_progress' });
  await terminate();
  expect(await endIfLost(deps(), id)).toBe(true);
  expect(await row(id)).toMatchObject({ status: 'failed', reason: expect.stringContaining('terminated') });
});

test('a rollout that Temporal has forgotten is started again, and its numbers begin anew', async () => {
  const id = await silent();
  await lookAfterSilent(deps());
  expect(await row(id)).toMatchObject({ status: 'in_progress', dispatched_at: null, progress_seq: 0 });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  expect(await gateway.runningRollout(workflowId())).toMatchObject({ rolloutId: id });
  await database.pool.query('update image_rollouts set dispatch_after = now() where id = $1', [id]);
  await lookAfterSilent(deps(), 0);
  expect(await row(id)).toMatchObject({ dispatched_at: expect.any(Date), ended_at: null });
});

test.each([
  ['was paused', 'paused', true, { paused: { since: expect.any(String), reason: 'looks odd' } }],
  [
    'was rolling back',
    'rolling_back',
    false,
    { rollBack: { reason: 'too many failed', actor: 'fleetwave', scope: 'all', timeoutSeconds: 600 } },
  ],
])('a forgotten rollout that %s starts again as such', async (_, status, paused, resumed) => {
  const id = await silent(status, paused);
  await database.pool.query(`update image_rollouts set reason = 'too many failed' where id = $1`, [id]);
  await database.pool.query(
    `insert into rollout_events (rollout_id, type, reason, at)
     values ($1, 'command.pause', 'looks odd', now() - interval '2 hours'), ($1, 'rollout.dispatched', null, now() - interval '1 hour')`,
    [id],
  );
  await lookAfterSilent(deps());
  expect(await row(id)).toMatchObject({ status, dispatched_at: null });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  const { events } = await temporal.client.workflow.getHandle(workflowId()).fetchHistory();
  const [input] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  expect(JSON.parse(Buffer.from(input?.data ?? []).toString())).toMatchObject({ rolloutId: id, resumed });
});

test('a rollback after the end whose workflow is gone ends as failed, and says how to go on', async () => {
  const id = await silent('rolling_back');
  const rollbackId = `rollback:${id}`;
  await database.pool.query('update image_rollouts set workflow_id = $2 where id = $1', [id, rollbackId]);
  await gateway.start({
    ...{ workflowId: rollbackId, type: 'rollback', summary: 's', details: 'd' },
    input: { rolloutId: id, image: 'docker.io/library/redis', tag, reason: null, actor: 'test' },
  });
  await lookAfterSilent(deps());
  expect(await row(id)).toMatchObject({ status: 'rolling_back', ended_at: null });
  await temporal.client.workflow.getHandle(rollbackId).terminate('by an operator');
  expect(await endIfLost(deps(), id)).toBe(true);
  expect(await row(id)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('/rollback goes on with it'),
  });
  // What runs for the tag is no business of it: a newer push of the tag that starts ends nothing.
  await database.pool.query(
    `update image_rollouts set status = 'rolling_back', ended_at = null, error = null where id = $1`,
    [id],
  );
  const newer = await seedRollout(database.pool, { tag });
  expect(await startRollout(deps(), await claimed())).toBe('started');
  expect([await row(id), await row(newer)]).toMatchObject([
    { status: 'rolling_back', ended_at: null },
    { dispatched_at: expect.any(Date) },
  ]);
});

test('a rollout whose workflow somebody terminated ends as failed by itself, and is not started again', async () => {
  const id = await silent();
  await started(id);
  await terminate();
  await lookAfterSilent(deps());
  expect(await row(id)).toMatchObject({ status: 'failed', reason: expect.stringContaining('terminated') });
});

test('Temporal is asked only about rollouts that are silent, and not again for ten minutes', async () => {
  const id = await silent();
  await started(id);
  const asked: string[] = [];
  const counting = { ...gateway, latestRun: (name: string) => (asked.push(name), gateway.latestRun(name)) };
  await lookAfterSilent({ ...deps(), temporal: counting });
  await lookAfterSilent({ ...deps(), temporal: counting });
  expect(asked).toEqual([workflowId()]);
  await database.pool.query("update image_rollouts set dispatch_after = now() - interval '1 second' where id = $1", [
    id,
  ]);
  await database.pool.query("insert into rollout_events (rollout_id, type) values ($1, 'command.pause')", [id]);
  await lookAfterSilent({ ...deps(), temporal: counting });
  expect(asked).toHaveLength(1);
});
