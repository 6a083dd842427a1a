import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Logger } from '../../src/log';
import { startDispatcher, type Dispatcher } from '../../src/api/dispatcher';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { claimPending } from '../../src/db/outbox';
import { freePort } from '../../src/dev/ports';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, dockerHubBody, envelope, startIntake, type Intake } from '../support/intake';
import { recordingLogger, relay, until, type Relay } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';

let database: TestDatabase;
let temporal: TestTemporal;
let tag: string;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
});
beforeEach(async () => {
  // Workflow ids hold the tag: each test has its own, and none sees what another left in Temporal.
  tag = `t${randomUUID().slice(0, 8)}`;
  await database.pool.query('truncate webhook_deliveries, image_rollouts, image_update_policies cascade');
  await addPolicy(database.pool, 'redis:*');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  const { rows } = await database.pool.query<{ workflow_id: string }>(
    'select distinct workflow_id from image_rollouts where dispatched_at is not null',
  );
  for (const { workflow_id: id } of rows)
    await temporal.client.workflow
      .getHandle(id)
      .terminate('the test is over')
      .catch(() => undefined);
});
afterAll(async () => {
  await temporal.close();
  await database.drop();
});

/** The task queue has no worker: what is started stays as it was started. */
function gatewayTo(address: string): TemporalGateway {
  const config = loadConfig({ TEMPORAL_ADDRESS: address, FLEETWAVE_TASK_QUEUE: temporal.taskQueue });
  const gateway = createTemporalGateway({ config, log: recordingLogger().log });
  closers.push(() => gateway.close());
  return gateway;
}

function dispatch(gateway: TemporalGateway, log: Logger = recordingLogger().log): Dispatcher {
  const dispatcher = startDispatcher({ pool: database.pool, log, temporal: gateway });
  closers.push(() => dispatcher.stop());
  return dispatcher;
}

async function intake(wake?: () => void): Promise<Intake> {
  const started = await startIntake(database.pool, undefined, wake);
  closers.push(() => started.close());
  return started;
}

async function row(id: string | null): Promise<Record<string, unknown>> {
  return (
    (await database.pool.query<Record<string, unknown>>('select * from image_rollouts where id = $1', [id])).rows[0] ??
    {}
  );
}

const isDispatched = (id: string | null) => async () => (await row(id))['dispatched_at'] !== null;

test('an accepted push starts its workflow at once, with a summary, search attributes and memo that say what it is', async () => {
  const dispatcher = dispatch(gatewayTo(temporal.address));
  const { body } = await (await intake(dispatcher.wake)).deliver(dockerHubBody('redis', tag));
  await until(isDispatched(body.rollout_id));
  const handle = temporal.client.workflow.getHandle(`rollout:docker.io/library/redis:${tag}`);
  const described = await handle.describe();
  expect(described).toMatchObject({
    type: 'rollout',
    taskQueue: temporal.taskQueue,
    memo: { rolloutId: body.rollout_id },
    searchAttributes: {
      FleetwaveImage: ['docker.io/library/redis'],
      FleetwaveTag: [tag],
      FleetwaveStatus: ['pending'],
    },
  });
  expect(await described.staticSummary()).toBe(`docker.io/library/redis:${tag}, staged, from webhook`);
  expect(await described.staticDetails()).toContain(body.rollout_id);
  expect(await row(body.rollout_id)).toMatchObject({ run_id: described.runId });
  const events = await database.pool.query('select type from rollout_events where rollout_id = $1 order by id', [
    body.rollout_id,
  ]);
  expect(events.rows.map((one: { type: string }) => one.type)).toEqual([
    'image.webhook_received',
    'rollout.accepted',
    'rollout.dispatched',
  ]);
});

test('with Temporal away a push is accepted, the log says so once, and it starts when Temporal is back', async () => {
  const port = await freePort();
  const { log, lines } = recordingLogger();
  const dispatcher = dispatch(gatewayTo(`127.0.0.1:${String(port)}`), log);
  const { status, body } = await (await intake(dispatcher.wake)).deliver(dockerHubBody('redis', tag));
  expect([status, body.outcome]).toEqual([202, 'started']);
  await until(async () => Number((await row(body.rollout_id))['dispatch_attempts']) >= 2);
  const waiting = await row(body.rollout_id);
  expect(waiting).toMatchObject({
    dispatched_at: null,
    status: 'pending',
    dispatch_error: expect.stringContaining('cannot be reached'),
  });
  expect(lines.filter((line) => line.level === 'warn')).toHaveLength(1);

  const live: Relay = await relay(port, temporal.address);
  closers.push(() => live.close());
  await until(isDispatched(body.rollout_id), 60_000);
  expect(await row(body.rollout_id)).toMatchObject({ dispatch_error: null });
  expect(lines.filter((line) => line.level === 'info')).toHaveLength(1);
});

test('several processes start one workflow for 20 deliveries at once', async () => {
  const wakes = [1, 2, 3].map(() => dispatch(gatewayTo(temporal.address)).wake);
  const server = await intake(() => {
    for (const wake of wakes) wake();
  });
  const answers = await Promise.all(Array.from({ length: 20 }, () => server.deliver(dockerHubBody('redis', tag))));
  const id = answers[0]?.body.rollout_id ?? null;
  await until(isDispatched(id));
  expect(await row(id)).toMatchObject({ dispatch_attempts: 1 });
  await until(
    async () =>
      (await temporal.client.workflow.count(`WorkflowId = 'rollout:docker.io/library/redis:${tag}'`)).count === 1,
  );
});

test('a burst larger than one group is started whole', async () => {
  const server = await intake();
  const answers = await Promise.all(
    Array.from({ length: 25 }, (_, index) => server.deliver(dockerHubBody('redis', `${tag}-${String(index)}`))),
  );
  dispatch(gatewayTo(temporal.address));
  await until(
    async () =>
      (await database.pool.query('select from image_rollouts where dispatched_at is not null')).rowCount ===
      answers.length,
  );
});

test('killed between accepting and starting: another process starts it', async () => {
  const { body } = await (await intake()).deliver(dockerHubBody('redis', tag));
  // What a process leaves that dies with a row in its hands; its lease is over.
  await claimPending(database.pool, 10, 0);
  dispatch(gatewayTo(temporal.address));
  await until(isDispatched(body.rollout_id));
});

test('killed between starting and noting it: the workflow is found and not started again', async () => {
  const gateway = gatewayTo(temporal.address);
  const { body } = await (await intake()).deliver(dockerHubBody('redis', tag));
  const workflowId = `rollout:docker.io/library/redis:${tag}`;
  const input = { rolloutId: body.rollout_id ?? '', image: 'docker.io/library/redis', tag };
  await gateway.start({ workflowId, input, summary: 's', details: 'd' });
  const before = await temporal.client.workflow.getHandle(workflowId).describe();
  dispatch(gateway);
  await until(isDispatched(body.rollout_id));
  expect((await temporal.client.workflow.getHandle(workflowId).describe()).runId).toBe(before.runId);
});

test("a newer revision asks the older one's run to give way, once, and starts when it has ended", async () => {
  const gateway = gatewayTo(temporal.address);
  const dispatcher = dispatch(gateway);
  const server = await intake(dispatcher.wake);
  const push = async (id: string, digest: string) =>
    (await server.deliver(envelope({ id: `${tag}-${id}`, tag, digest }))).body;
  const older = await push('1', digestOf('a'));
  await until(isDispatched(older.rollout_id));
  const newer = await push('2', digestOf('b'));
  expect(newer.outcome).toBe('superseding');
  await until(async () => Number((await row(newer.rollout_id))['dispatch_attempts']) >= 3);
  expect(await row(newer.rollout_id)).toMatchObject({
    dispatched_at: null,
    dispatch_error: `waits for the run of rollout ${String(older.rollout_id)} to end`,
  });

  const handle = temporal.client.workflow.getHandle(`rollout:registry.example.com:5000/team/api:${tag}`);
  const { events } = await handle.fetchHistory();
  const signals = (events ?? []).flatMap((event) => event.workflowExecutionSignaledEventAttributes ?? []);
  expect(signals.map((signal) => signal.signalName)).toEqual(['supersede']);
  expect(JSON.parse(Buffer.from(signals[0]?.input?.payloads?.[0]?.data ?? '').toString())).toEqual({
    rolloutId: newer.rollout_id,
  });

  // What the workflow does on that signal, as its last activity and its end.
  await database.pool.query("update image_rollouts set status = 'superseded', ended_at = now() where id = $1", [
    older.rollout_id,
  ]);
  await handle.terminate('gave way');
  await until(isDispatched(newer.rollout_id));
  expect((await handle.describe()).memo).toEqual({
    rolloutId: newer.rollout_id,
    push: expect.objectContaining({ digest: digestOf('b') }),
  });
});

test('a rollout whose workflow was terminated ends when the next one of its tag has started', async () => {
  const dispatcher = dispatch(gatewayTo(temporal.address));
  const server = await intake(dispatcher.wake);
  const older = (await server.deliver(dockerHubBody('redis', tag, 1_767_000_000))).body;
  await until(isDispatched(older.rollout_id));
  await temporal.client.workflow.getHandle(`rollout:docker.io/library/redis:${tag}`).terminate('by an operator');
  const newer = (await server.deliver(dockerHubBody('redis', tag, 1_767_000_001))).body;
  await until(isDispatched(newer.rollout_id));
  expect(await row(older.rollout_id)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('its workflow ended'),
  });
});

test('a rollout that was ended before it started is not started', async () => {
  const { body } = await (await intake()).deliver(dockerHubBody('redis', tag));
  await database.pool.query("update image_rollouts set status = 'cancelled', ended_at = now() where id = $1", [
    body.rollout_id,
  ]);
  expect(await claimPending(database.pool, 10, 0)).toEqual([]);
});

test('the gateway answers within its deadlines when Temporal is away, and says what it cannot reach', async () => {
  const address = `127.0.0.1:${String(await freePort())}`;
  const gateway = gatewayTo(address);
  const began = Date.now();
  expect(await gateway.isReachable()).toBe(false);
  expect(await gateway.status('rollout:x:1')).toBeNull();
  await expect(gateway.signal('rollout:x:1', 'pause')).rejects.toMatchObject({
    name: 'TemporalUnavailable',
    message: expect.stringContaining(address),
  });
  expect(Date.now() - began).toBeLessThan(30_000);
});

test('the gateway tells a workflow that is not running from one that does not answer', async () => {
  const gateway = gatewayTo(temporal.address);
  expect(await gateway.isReachable()).toBe(true);
  expect(await gateway.signal(`rollout:none:${tag}`, 'pause', {})).toBe('not_running');
  expect(await gateway.status(`rollout:none:${tag}`)).toBeNull();
  expect(await gateway.runningRollout(`rollout:none:${tag}`)).toBeUndefined();
  const { body } = await (await intake()).deliver(dockerHubBody('redis', tag));
  dispatch(gateway);
  await until(isDispatched(body.rollout_id));
  const workflowId = `rollout:docker.io/library/redis:${tag}`;
  expect(await gateway.runningRollout(workflowId)).toMatchObject({ rolloutId: body.rollout_id });
  expect(await gateway.signal(workflowId, 'pause')).toBe('sent');
  // No worker polls its task queue.
  expect(await gateway.status(workflowId)).toBeNull();
});
