import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../../src/activities';
import { startRollout } from '../../src/api/start-rollout';
import { createTemporalGateway, type TemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { claimPending } from '../../src/db/outbox';
import type { RolloutRules } from '../../src/domain/rules';
import { registerSearchAttributes } from '../../src/worker/register-search-attributes';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { appWith, deviceRows, seedDevices, seedRollout } from '../support/fleet-fixture';
import { keptBuild } from '../support/kept-build';
import { recordingLogger, until } from '../support/outage';
import { connectTemporal, type TestTemporal } from '../support/temporal';
import { failedTasks } from '../support/workflow-history';

let database: TestDatabase;
let temporal: TestTemporal;
let gateway: TemporalGateway;
let today: { code: string };
beforeAll(async () => {
  database = await createTestDatabase();
  temporal = await connectTemporal();
  await registerSearchAttributes(temporal.nativeConnection, temporal.namespace);
  const config = loadConfig({ TEMPORAL_ADDRESS: temporal.address, FLEETWAVE_TASK_QUEUE: temporal.taskQueue });
  gateway = createTemporalGateway({ config, log: recordingLogger().log });
  today = await bundleWorkflowCode({
    workflowsPath: require.resolve('../../src/workflows'),
    logger: new DefaultLogger('ERROR'),
  });
});
afterAll(async () => {
  await gateway.close();
  await temporal.close();
  await database.drop();
});

const worker = (workflowBundle: NonNullable<WorkerOptions['workflowBundle']>) =>
  Worker.create({
    connection: temporal.nativeConnection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle,
    activities: createActivities({ pool: database.pool, chunkSize: 1000 }),
  });

const DEVICES = 4;
const rules: Partial<RolloutRules> = {
  steps: [{ percent: 25 }, { percent: 100 }],
  ...{ soakSeconds: 0, batchDelaySeconds: 0, healthTimeoutSeconds: 900, rollbackTimeoutSeconds: 900 },
};

interface Story {
  id: string;
  workflowId: string;
  /** Devices that were told say that they run it, at once and without a report each. */
  healthy(): Promise<void>;
  signal(name: string): Promise<void>;
  status(): Promise<string>;
  becomes(status: string): Promise<void>;
  told(count: number): Promise<void>;
}

async function begin(image: string, more: Partial<RolloutRules> = {}): Promise<Story> {
  const { pool } = database;
  const name = `docker.io/library/${image}`;
  await seedDevices(pool, DEVICES, () => appWith(`${image}:1`));
  const id = await seedRollout(pool, { image: name, tag: '2', revision: randomUUID(), rules: { ...rules, ...more } });
  const [pending] = await claimPending(pool, 1, 20_000);
  if (pending === undefined) throw new Error('nothing was due');
  expect(await startRollout({ pool, temporal: gateway }, pending)).toBe('started');
  const workflowId = `rollout:${name}:2`;
  const story: Story = {
    ...{ id, workflowId },
    signal: async (signal) => {
      expect(await gateway.signal(workflowId, signal, {})).toBe('sent');
    },
    async healthy() {
      await pool.query(
        `update device_rollout_status set status = case status when 'rolling_back' then 'rolled_back' else 'completed' end
          where rollout_id = $1 and status in ('scheduled', 'rolling_back')`,
        [id],
      );
      await story.signal('health');
    },
    async status() {
      const { rows } = await pool.query<{ status: string }>('select status from image_rollouts where id = $1', [id]);
      return rows[0]?.status ?? '';
    },
    becomes: (status) => until(async () => (await story.status()) === status, 60_000),
    told: (count) =>
      until(async () => {
        const rows = await deviceRows(pool, id);
        return rows.filter(({ version }) => version > 3).length === count;
      }, 60_000),
  };
  return story;
}

test('a worker of 0.1.0 is replaced while rollouts are at every kind of place: each goes on and ends as it would have', async () => {
  const before = await worker(keptBuild('0.1.0'));
  const stories = await before.runUntil(async () => {
    const settling = await begin('redis');
    const delayed = await begin('nginx', { batchDelaySeconds: 900 });
    const paused = await begin('httpd', { batchDelaySeconds: 900 });
    const asking = await begin('busybox', { requiresApproval: true });
    const back = await begin('memcached', { steps: [{ percent: 100 }] });
    const waiting = await begin('alpine', { steps: [{ percent: 100 }], catchUpHours: 24 });
    for (const story of [delayed, paused]) {
      await story.told(1);
      await story.healthy();
      await until(async () => (await gateway.status(story.workflowId))?.waiting_for === 'the delay before batch 2');
    }
    await settling.told(1);
    await paused.signal('pause');
    await paused.becomes('paused');
    await asking.becomes('awaiting_approval');
    await back.told(DEVICES);
    await back.signal('rollback');
    await back.becomes('rolling_back');
    await waiting.told(DEVICES);
    return { settling, delayed, paused, asking, back, waiting };
  });

  const after = await worker(today);
  await after.runUntil(async () => {
    const { settling, delayed, paused, asking, back, waiting } = stories;
    await settling.healthy();
    await delayed.signal('advance');
    await paused.signal('resume');
    await paused.becomes('in_progress');
    await paused.signal('advance');
    await asking.signal('approve');
    await asking.told(1);
    await asking.healthy();
    for (const story of [settling, delayed, paused, asking]) {
      await story.told(DEVICES);
      await story.healthy();
    }
    await waiting.healthy();
    for (const story of [settling, delayed, paused, asking, waiting]) await story.becomes('completed');
    await until(async () => (await deviceRows(database.pool, back.id)).every(({ version }) => version === 5));
    await back.healthy();
    await back.becomes('rolled_back');
  });

  for (const { id, workflowId } of Object.values(stories)) {
    const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
    expect([workflowId, failedTasks(history)]).toEqual([workflowId, []]);
    const expected = id === stories.back.id ? 5 : 4;
    expect((await deviceRows(database.pool, id)).map(({ version }) => version)).toEqual(
      Array.from({ length: DEVICES }, () => expected),
    );
  }
});
