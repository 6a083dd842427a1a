import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startDispatcher, type Dispatcher } from '../../src/api/dispatcher';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { addPolicy, digestOf, dockerHubBody, envelope, startIntake, type Intake } from '../support/intake';
import { recordingLogger, until } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';
import { countTransactions } from '../support/transactions';

const PER_SECOND = 200;
const SECONDS = 10;
const DELIVERIES = PER_SECOND * SECONDS;
/** 95 % are repetitions. */
const PUSHES = DELIVERIES / 20;
const TICK_MS = 100;
/** On a machine that is slower than the pace, senders wait: connections that nobody accepts would only time out. */
const MOST_OPEN = 20;

const run = randomUUID().slice(0, 8);
let database: TestDatabase;
let temporal: TestTemporal;
let gateway: TemporalGateway;
let dispatcher: Dispatcher;
let intake: Intake;
const starts: string[] = [];
const signals: string[] = [];
const { transactions, counted } = countTransactions();

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
  await addPolicy(database.pool, 'redis:*');
  await addPolicy(database.pool, 'registry.example.com:5000/team/api:*');
  const config = loadConfig({ TEMPORAL_ADDRESS: temporal.address, FLEETWAVE_TASK_QUEUE: temporal.taskQueue });
  const { log } = recordingLogger();
  gateway = createTemporalGateway({ config, log });
  const noted: TemporalGateway = {
    ...gateway,
    async start(request) {
      starts.push(request.workflowId);
      return gateway.start(request);
    },
    async signal(workflowId, ...rest) {
      signals.push(workflowId);
      return gateway.signal(workflowId, ...rest);
    },
  };
  dispatcher = startDispatcher({ pool: database.pool, log, temporal: noted });
  // The intake's statements alone: the dispatcher has the pool as it is.
  intake = await startIntake(counted(database.pool), undefined, dispatcher.wake);
});
afterAll(async () => {
  await intake.close();
  await dispatcher.stop();
  for (const id of new Set(starts))
    await temporal.client.workflow
      .getHandle(id)
      .terminate('the test is over')
      .catch(() => undefined);
  await gateway.close();
  await temporal.close();
  await database.drop();
});

/** Half of the pushes are Docker Hub's, known by their body, half a registry's, known by their id. */
const bodies = Array.from({ length: PUSHES }, (_, index) => {
  const tag = `${run}.${String(index)}`;
  return index % 2 === 0
    ? dockerHubBody('redis', tag, 1_767_225_600)
    : envelope({ id: tag, tag, digest: digestOf('a') });
});

/** Each push first, somewhere in the first half of its twenty deliveries; its repetitions fall where they like, side by side. */
function schedule(): number[] {
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const slots = Array.from({ length: DELIVERIES }, (_, slot) => ({ push: slot % PUSHES, at: random() }));
  return slots.sort((one, other) => one.at - other.at).map(({ push }) => push);
}

test('200 deliveries a second, of which 95 % are repetitions: three statements each, and nothing for Temporal to do', async () => {
  let open = 0;
  const took: number[] = [];
  const outcomes: Record<string, number> = {};
  const rolloutOf = new Map<number, Set<string | null>>();
  async function deliverOne(push: number): Promise<void> {
    const began = performance.now();
    open += 1;
    const { status, body } = await intake.deliver(bodies[push] ?? '');
    open -= 1;
    took.push(performance.now() - began);
    const outcome = `${String(status)} ${body.outcome}`;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    rolloutOf.set(push, (rolloutOf.get(push) ?? new Set()).add(body.rollout_id));
  }
  const under: Promise<void>[] = [];
  const order = schedule();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const perTick = (PER_SECOND * TICK_MS) / 1000;
  for (let sent = 0; sent < order.length; sent += perTick) {
    under.push(...order.slice(sent, sent + perTick).map(deliverOne));
    await delay(Math.max(0, began + ((sent + perTick) / PER_SECOND) * 1000 - performance.now()));
    while (open > MOST_OPEN) await delay(10);
  }
  await Promise.all(under);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);

  expect(outcomes).toEqual({ '202 started': PUSHES, '202 duplicate': DELIVERIES - PUSHES });
  // Each repetition was told the rollout that its first had made.
  expect([...rolloutOf.values()].map((ids) => ids.size)).toEqual(Array(PUSHES).fill(1));

  const sizes: Record<number, number> = {};
  for (const { length } of transactions) sizes[length] = (sizes[length] ?? 0) + 1;
  expect(transactions).toHaveLength(DELIVERIES);
  const small = transactions.filter(({ length }) => length <= 3);
  expect(small).toHaveLength(DELIVERIES - PUSHES);
  expect(new Set(small.map((statements) => statements.map(firstWord).join(' ')))).toEqual(
    new Set(['begin insert commit']),
  );

  await until(
    async () =>
      (await database.pool.query('select from image_rollouts where dispatched_at is not null')).rowCount === PUSHES,
    60_000,
  );
  expect(new Set(starts).size).toBe(PUSHES);
  expect(starts).toHaveLength(PUSHES);
  expect(signals).toEqual([]);
  let events = 0;
  for (const id of starts) events += (await temporal.client.workflow.getHandle(id).describe()).historyLength;
  // Started, and its first task scheduled: no repetition has added an event, and so none a task.
  expect(events).toBe(2 * PUSHES);

  took.sort((one, other) => one - other);
  const at = (share: number) => `${(took[Math.floor(took.length * share)] ?? 0).toFixed(0)} ms`;
  process.stderr.write(
    `intake: ${String(DELIVERIES)} deliveries in ${seconds.toFixed(1)} s, transactions by their statements ${JSON.stringify(sizes)}, ${String(transactions.flat().length)} statements, ${String(starts.length)} workflow starts, ${String(events)} history events; answered in ${at(0.5)} (median), ${at(0.99)} (99 %); CPU ${((user + system) / 1e6).toFixed(1)} s, sender included\n`,
  );
});

function firstWord(statement: string): string {
  return statement.trim().split(/\s/, 1)[0] ?? '';
}
