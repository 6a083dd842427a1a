import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Worker } from '@temporalio/worker';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { until } from '../support/outage';
import { startTimeSkipping } from '../support/time-skipping';
import { eventTypes } from '../support/workflow-history';
import { CANCELLED_MS, goSignal, lateCancel } from './fixtures/late-cancel';
import { sleeper } from './fixtures/sleeper';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await startTimeSkipping();
});
afterAll(() => env.teardown());

test('a workflow that sleeps for 30 days ends within seconds, 30 days later by its own clock', async () => {
  const worker = await Worker.create({
    connection: env.nativeConnection,
    taskQueue: 'sleeper',
    workflowsPath: require.resolve('./fixtures/sleeper'),
  });
  const before = await env.currentTimeMs();
  const result = await worker.runUntil(
    env.client.workflow.execute(sleeper, { taskQueue: 'sleeper', workflowId: 'sleeper' }),
  );
  expect(result).toBe('rested');
  expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 24 * 3600 * 1000);
});

test.each([
  { what: 'timer' as const, begun: 'EVENT_TYPE_TIMER_STARTED' },
  { what: 'activity' as const, begun: 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED' },
])(
  'the clock goes on where the $what that a workflow task is about to cancel ends meanwhile',
  async ({ what, begun }) => {
    const taskQueue = `late-cancel-${what}`;
    const worker = await Worker.create({
      connection: env.nativeConnection,
      taskQueue,
      workflowsPath: require.resolve('./fixtures/late-cancel'),
      activities: { linger: () => setTimeout(CANCELLED_MS) },
    });
    const result = await worker.runUntil(async () => {
      const handle = await env.client.workflow.start(lateCancel, { taskQueue, workflowId: taskQueue, args: [what] });
      await until(async () => eventTypes(await handle.fetchHistory()).includes(begun));
      await handle.signal(goSignal);
      return handle.result();
    });
    expect(result).toBe('went on');
  },
);
