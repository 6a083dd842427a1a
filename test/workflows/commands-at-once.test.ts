import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Worker } from '@temporalio/worker';
import { fakeActivities } from '../support/fake-activities';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const orders = [
  [['rollback', 'cancel']],
  [['cancel', 'rollback']],
  [['pause', 'rollback', 'cancel', 'cancel', 'resume']],
  [['cancel', 'pause', 'rollback', 'pause']],
];

/** Sends the signals while no worker runs, so that the workflow meets all of them in one task; `told` when its batch is out. */
async function meetAtOnce(names: string[], { told }: { told: boolean }) {
  const { client, nativeConnection: connection } = rig.env;
  const input = { rolloutId: randomUUID(), image: 'docker.io/library/redis', tag: '7.5-alpine' };
  const taskQueue = `at-once-${input.rolloutId}`;
  const workflowId = `rollout:test:${input.rolloutId}`;
  const world = { batches: [5], health: () => ({ updating: 5 }), rollback: () => ({ rolling_back: 5 }) };
  const { activities, of } = fakeActivities(world, () => rig.env.currentTimeMs());
  // Without a cache no task waits for the worker that is gone.
  const options = { connection, taskQueue, workflowBundle: rig.bundle, activities, maxCachedWorkflows: 0 };
  const handle = await client.workflow.start('rollout', { taskQueue, workflowId, args: [input] });
  if (told)
    await (
      await Worker.create(options)
    ).runUntil(async () => {
      for (let phase = ''; phase !== 'health of 5 devices';)
        phase = (await handle.query<{ waiting_for: string }>('status')).waiting_for;
    });
  for (const name of names) await handle.signal(name);
  const ending = await (await Worker.create(options)).runUntil(handle.result());
  await Worker.runReplayHistory({ workflowBundle: rig.bundle }, await handle.fetchHistory());
  return { ending, of };
}

it.each(orders)('%s that come before anything was done end it as cancelled', async (names) => {
  const { ending, of } = await meetAtOnce(names, { told: false });
  expect(ending).toMatchObject({ status: 'cancelled' });
  expect([of('applyBatch').length, of('finishRollout').length]).toEqual([0, 1]);
});

it.each(orders)('%s that come in the same moment end it as cancelled, with nothing put back', async (names) => {
  const { ending, of } = await meetAtOnce(names, { told: true });
  expect(ending).toMatchObject({ status: 'cancelled' });
  expect([of('restoreDevices').length, of('finishRollout').length]).toEqual([0, 1]);
});
