import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { createActivities } from '../../src/activities';
import { createTemporalGateway } from '../../src/api/temporal';
import { loadConfig } from '../../src/config';
import { createRegistryClient } from '../../src/registry-client/client';
import { storedRegistries } from '../../src/registry-client/stored-registries';
import { scheduleMaintenance } from '../../src/worker/maintenance-schedule';
import { scheduleReconcile } from '../../src/worker/reconcile-schedule';
import { addPolicy } from '../support/intake';
import { recordingLogger } from '../support/outage';
import { startReconcileRig, type ReconcileRig } from '../support/reconcile-rig';
import { connectTemporal, type TestTemporal } from '../support/temporal';

/** With a real schedule, a real worker and a real registry. */
let rig: ReconcileRig;
let temporal: TestTemporal;
const id = 'fleetwave-reconcile';
beforeAll(async () => {
  rig = await startReconcileRig();
  temporal = await connectTemporal();
});
afterAll(async () => {
  await temporal.close();
  await rig.close();
});

const config = (minutes: string) =>
  loadConfig({
    TEMPORAL_ADDRESS: temporal.address,
    FLEETWAVE_TASK_QUEUE: temporal.taskQueue,
    FLEETWAVE_RECONCILE_MINUTES: minutes,
  });
const put = (minutes: string) => scheduleReconcile(temporal.nativeConnection, config(minutes));
const described = () => temporal.client.schedule.getHandle(id).describe();

async function until<Value>(what: () => Promise<Value | null>): Promise<Value> {
  for (;;) {
    const value = await what();
    if (value !== null) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('the schedule is made, changed and taken away by what is set, each as often as workers start', async () => {
  await put('0');
  await Promise.all([put('10'), put('10')]);
  expect((await described()).spec.intervals).toMatchObject([{ every: 600_000 }]);
  await put('30');
  const changed = await described();
  expect([changed.spec.intervals, changed.spec.jitter]).toMatchObject([[{ every: 1_800_000 }], 360_000]);
  expect(changed.policies.overlap).toBe('SKIP');
  await put('0');
  await expect(described()).rejects.toThrow(/not found/i);
  await put('0');
  await scheduleMaintenance(temporal.nativeConnection, config('0'));
  await scheduleMaintenance(temporal.nativeConnection, config('0'));
  const maintenance = await temporal.client.schedule.getHandle('fleetwave-maintenance').describe();
  expect(maintenance.action).toMatchObject({ workflowType: 'maintenance', taskQueue: temporal.taskQueue });
});

test('a round over all registries by the schedule, and one over a registry by an operator', async () => {
  await rig.configure();
  await addPolicy(rig.database.pool, `${rig.host}/team/api:*`);
  await rig.push('team/api', '1.0', 'one');
  await put('10');
  const client = createRegistryClient({ findRegistry: storedRegistries(rig.database.pool, undefined) });
  const worker = await Worker.create({
    ...{ connection: temporal.nativeConnection, taskQueue: temporal.taskQueue },
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: require.resolve('../../src/workflows'),
      logger: new DefaultLogger('ERROR'),
    }),
    activities: createActivities({ pool: rig.database.pool, chunkSize: 100, registries: client }),
  });
  const gateway = createTemporalGateway({ config: config('10'), log: recordingLogger().log });
  try {
    // Nobody works on it yet, so the second finds the first.
    const first = await gateway.reconcile(rig.host);
    expect(first).toEqual({ workflowId: `reconcile:${rig.host}`, started: true });
    expect(await gateway.reconcile(rig.host)).toEqual({ ...first, started: false });
    await worker.runUntil(async () => {
      const result = { registries: 1, tags: 1, pending: 0, unknown: 0, failed: 0 };
      expect(await temporal.client.workflow.getHandle(first.workflowId).result()).toEqual(result);
      await temporal.client.schedule.getHandle(id).trigger();
      const started = await until(async () => (await described()).info.recentActions.at(-1)?.action ?? null);
      expect(await temporal.client.workflow.getHandle(started.workflow.workflowId).result()).toEqual(result);
    });
    expect(await rig.round()).toMatchObject({ repositories: 1, tags: 1, ended_at: expect.any(Date) });
  } finally {
    await put('0');
    await gateway.close();
    client.close();
  }
});
