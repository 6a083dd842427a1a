import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { digestOf, dockerHubBody, envelope } from '../support/intake';
import { until } from '../support/outage';
import { holdRows, waitingSessions } from '../support/row-lock';
import { hasty, type Answer } from '../support/stack-fixture';
import { startTwoMachines, workerIdentity, type Machine, type TwoMachines } from '../support/two-machines';

/** Two APIs and two workers on one PostgreSQL and one Temporal, each a process of its own. */
let machines: TwoMachines;
const PUSH = '/webhooks/docker-registry';
const DEVICES = 20;

beforeAll(async () => {
  machines = await startTwoMachines();
  const { stack, first, second, play } = machines;
  for (const image of ['redis', 'nginx', 'memcached', 'postgres', 'registry.example.com:5000/team/api'])
    await stack.policy({ ...hasty, image_pattern: `${image}:*` });
  const apps = { ...appWith('redis:7'), ...other('nginx:1.27', 1003), ...other('memcached:1.6', 1004) };
  const devices = await stack.devices(Array.from({ length: DEVICES }, () => apps));
  // Half of them behind each: no API hears of a whole batch.
  play(first, devices.slice(0, DEVICES / 2));
  play(second, devices.slice(DEVICES / 2));
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === DEVICES);
}, 600_000);
afterAll(async () => {
  machines.stack.temporal?.kill('SIGCONT');
  machines.first.api.kill('SIGCONT');
  await machines.close();
});

function other(image: string, appId: number): Record<string, unknown> {
  return { [String(appId)]: { ...(appWith(image)['1002'] as object), appName: image.split(':')[0] } };
}

const deliver = (machine: Machine, text: string): Promise<Answer> =>
  machines.call(machine, 'POST', PUSH, { text, headers: {} });

/** For the built-in source, through one API: the other hears of it from the database. */
const gatherFor = (seconds: number): Promise<Answer> =>
  machines.call(machines.first, 'PUT', '/webhook-sources/docker-registry', {
    body: { kind: 'docker-registry', allow_unsigned: true, debounce_seconds: seconds },
  });

interface Row {
  id: string;
  attempts: number;
  dispatched: boolean;
  digest: string | null;
}
async function rolloutsOf(tag: string): Promise<Row[]> {
  const { rows } = await machines.stack.pool.query<Row>(
    'select id, dispatch_attempts as attempts, dispatched_at is not null as dispatched, digest from image_rollouts where tag = $1',
    [tag],
  );
  return rows;
}

async function eventsOf(rolloutId: string, type: string): Promise<number> {
  const { rowCount } = await machines.stack.pool.query(
    'select from rollout_events where rollout_id = $1 and type = $2',
    [rolloutId, type],
  );
  return rowCount ?? 0;
}

/** The signals that a workflow was sent, by name. */
async function signalsOf(workflowId: string, name: string): Promise<number> {
  const history = await (await machines.stack.temporalClient()).workflow.getHandle(workflowId).fetchHistory();
  return (history.events ?? []).filter(
    ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName === name,
  ).length;
}

test('the same push to both at once, many times: one rollout, started once, whose devices report to both', async () => {
  const { stack, both } = machines;
  const bodies = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const answer = await deliver(both[index % 2] ?? both[0], dockerHubBody('redis', '7.5'));
      expect(answer.status).toBe(202);
      return answer.body;
    }),
  );
  const [rollout, ...more] = await rolloutsOf('7.5');
  expect(more).toEqual([]);
  expect(new Set(bodies.map((body) => body['rollout_id']))).toEqual(new Set([rollout?.id]));
  expect(bodies.map((body) => body['outcome']).sort()).toEqual([...Array<string>(19).fill('duplicate'), 'started']);

  await stack.reaches(rollout?.id ?? '', ['completed']);
  expect(await rolloutsOf('7.5')).toMatchObject([{ attempts: 1, dispatched: true }]);
  const workflowId = 'rollout:docker.io/library/redis:7.5';
  expect(await stack.executions(workflowId)).toBe(1);
  const { rows } = await stack.pool.query('select distinct version from device_target_state');
  expect(rows).toEqual([{ version: 2 }]);
  // Which API signals an outcome of a batch is decided in the database: two do not make twice as many.
  expect(await signalsOf(workflowId, 'health')).toBeLessThanOrEqual(2 * hasty.batches.length);
});

test('an API killed with -9 right after it accepted a push: the other one starts the rollout', async () => {
  const { stack, second } = machines;
  await gatherFor(10);
  const { body } = await deliver(second, dockerHubBody('redis', '7.6'));
  second.api.kill('SIGKILL');
  await until(() => Promise.resolve(!second.api.running));
  expect(await rolloutsOf('7.6')).toMatchObject([{ id: body['rollout_id'], attempts: 0, dispatched: false }]);
  await until(async () => (await rolloutsOf('7.6'))[0]?.dispatched === true);
  await second.api.start();
  await stack.reaches(String(body['rollout_id']), ['completed']);
  await gatherFor(0);
});

test('an API killed with -9 while it starts a rollout: the other one takes it over, and it is started once', async () => {
  const { stack, first, second } = machines;
  // Frozen, so that the other one holds the row and has sent the start, which may yet be done when Temporal goes on.
  first.api.kill('SIGSTOP');
  stack.temporal?.kill('SIGSTOP');
  const { status, body } = await deliver(second, dockerHubBody('redis', '7.7'));
  expect([status, body['outcome']]).toEqual([202, 'started']);
  await until(async () => (await rolloutsOf('7.7'))[0]?.attempts === 1);
  second.api.kill('SIGKILL');
  await until(() => Promise.resolve(!second.api.running));
  first.api.kill('SIGCONT');
  stack.temporal?.kill('SIGCONT');
  await until(async () => (await rolloutsOf('7.7'))[0]?.dispatched === true, 60_000);
  const [taken] = await rolloutsOf('7.7');
  expect(taken?.attempts).toBeGreaterThanOrEqual(2);
  expect(await stack.executions('rollout:docker.io/library/redis:7.7')).toBe(1);
  await second.api.start();
  await stack.reaches(String(body['rollout_id']), ['completed']);
});

test('the events of one push that arrive at both are one rollout', async () => {
  const { both } = machines;
  await gatherFor(5);
  const pushes = Array.from({ length: 6 }, (_, index) => {
    const digest = index < 3 ? {} : { digest: digestOf('d') };
    return deliver(both[index % 2] ?? both[0], event(index, digest));
  });
  const outcomes = (await Promise.all(pushes)).map(({ body }) => body['outcome']);
  expect(outcomes.sort()).toEqual([...Array<string>(5).fill('duplicate'), 'started']);
  const [rollout, ...more] = await rolloutsOf('2.0');
  expect(more).toEqual([]);
  expect(rollout).toMatchObject({ attempts: 0, digest: digestOf('d') });
  // A digest that the rollout has already says that it is the same push: those join nothing.
  expect(await eventsOf(rollout?.id ?? '', 'rollout.push_joined')).toBe(3);
  await machines.stack.reaches(rollout?.id ?? '', ['completed']);
  expect(await machines.stack.executions('rollout:registry.example.com:5000/team/api:2.0')).toBe(1);
  await gatherFor(0);
});

/** Half in Docker Hub's form, which tells no digest, and half in that of a registry. */
function event(index: number, { digest }: { digest?: string }): string {
  const repository = 'registry.example.com:5000/team/api';
  return digest === undefined
    ? dockerHubBody(repository, '2.0', 1_767_225_600 + index)
    : envelope({ id: `event-${index}`, tag: '2.0', digest });
}

test('both workers put the schedules, also at the same moment: there is one of each, and one run of it', async () => {
  const { stack, first, second } = machines;
  await Promise.all([first.worker.restart(), second.worker.restart()]);
  const client = await stack.temporalClient();
  const listed = async (): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { scheduleId } of client.schedule.list()) ids.push(scheduleId);
    return ids.sort();
  };
  await until(async () => (await listed()).length >= 2);
  expect(await listed()).toEqual(['fleetwave-maintenance', 'fleetwave-reconcile']);
  const runs = async () => (await client.workflow.count("WorkflowType = 'maintenance'")).count;
  const before = await runs();
  await client.schedule.getHandle('fleetwave-maintenance').trigger();
  await until(
    async () =>
      (await client.workflow.count("WorkflowType = 'maintenance' and ExecutionStatus = 'Completed'")).count > before,
  );
  expect(await runs()).toBe(before + 1);
});

test('a worker killed with -9 in the middle of a batch: the other one goes on, and no device is written twice', async () => {
  const { stack, first, second } = machines;
  const held = await holdRows(
    stack.databaseUrl,
    'select from device_target_state order by device_uuid offset 10 limit 1 for update',
    [],
  );
  const { body } = await deliver(first, dockerHubBody('nginx', '1.29'));
  await until(async () => (await waitingSessions(stack.pool, 'fleetwave-worker')).length === 1);
  const workflow = (await stack.temporalClient()).workflow.getHandle('rollout:docker.io/library/nginx:1.29');
  const { raw } = await workflow.describe();
  const identity = raw.pendingActivities?.find(({ lastWorkerIdentity }) => lastWorkerIdentity)?.lastWorkerIdentity;
  const busy = [first, second].find(({ worker }) => workerIdentity(worker.pid) === identity);
  const survivor = busy === first ? second : first;
  busy?.worker.kill('SIGKILL');
  await until(() => Promise.resolve(busy?.worker.running === false));
  await held.release();

  await stack.reaches(String(body['rollout_id']), ['completed'], 120_000);
  const { events } = await workflow.fetchHistory();
  const last = events?.findLast(({ activityTaskStartedEventAttributes: started }) => started != null);
  expect(last?.activityTaskStartedEventAttributes?.identity).toBe(workerIdentity(survivor.worker.pid));
  expect(await eventsOf(String(body['rollout_id']), 'device.update_scheduled')).toBe(DEVICES);
  await busy?.worker.start();
});
