import { randomUUID } from 'node:crypto';
import { temporal } from '@temporalio/proto';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributes, type RolloutInput } from '../../src/workflows/messages';
import type { rollout } from '../../src/workflows/rollout';
import { fakeActivities, type FakeActivities, type FakeWorld } from './fake-activities';
import { startTimeSkipping } from './time-skipping';

function startOne(env: TestWorkflowEnvironment, taskQueue: string, input: RolloutInput) {
  return env.client.workflow.start<typeof rollout>('rollout', {
    taskQueue,
    workflowId: `rollout:test:${input.rolloutId}`,
    args: [input],
  });
}

export interface Story {
  handle: Awaited<ReturnType<typeof startOne>>;
  fake: FakeActivities;
  env: TestWorkflowEnvironment;
}

export interface WorkflowRig {
  env: TestWorkflowEnvironment;
  bundle: WorkflowBundle;
  /** Runs one rollout in its own worker; afterwards its history is replayed, and a rollout left running is an error. */
  tell(world: FakeWorld, story: (story: Story) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** Quiet: a worker that is given histories to replay, or stories to tell, has nothing to say to the terminal. */
function installQuietRuntime(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}

export async function createWorkflowRig(): Promise<WorkflowRig> {
  installQuietRuntime();
  const env = await startTimeSkipping();
  const keyword = temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
  await env.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(Object.values(searchAttributes).map(({ name }) => [name, keyword])),
  });
  const bundle = await bundleWorkflowCode({
    workflowsPath: require.resolve('../../src/workflows'),
    logger: new DefaultLogger('ERROR'),
  });

  return {
    env,
    bundle,
    async tell(world, story) {
      const fake = fakeActivities(world, () => env.currentTimeMs());
      const taskQueue = `rig-${randomUUID()}`;
      const worker = await Worker.create({
        connection: env.nativeConnection,
        taskQueue,
        workflowBundle: bundle,
        activities: fake.activities,
      });
      const handle = await worker.runUntil(async () => {
        const started = await startOne(env, taskQueue, {
          rolloutId: randomUUID(),
          image: 'docker.io/library/redis',
          tag: '7.5-alpine',
        });
        try {
          await story({ handle: started, fake, env });
        } catch (error) {
          await started.terminate('the test failed').catch(() => undefined);
          throw error;
        }
        return started;
      });
      const { status } = await handle.describe();
      if (status.name === 'RUNNING') {
        await handle.terminate('left running by a test');
        throw new Error('the test left its rollout running');
      }
      await Worker.runReplayHistory({ workflowBundle: bundle }, await handle.fetchHistory());
    },
    async close() {
      await env.teardown();
    },
  };
}
