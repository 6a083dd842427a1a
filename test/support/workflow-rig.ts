import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import { temporal } from '@temporalio/proto';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributes, type RolloutInput } from '../../src/workflows/messages';
import type { rollout } from '../../src/workflows/rollout';
import { fakeActivities, type FakeActivities, type FakeWorld } from './fake-activities';
import { startTimeSkipping } from './time-skipping';

/** Another workflow than that of a rollout, and what its input has besides. */
export interface OtherWorkflow {
  type: string;
  input: object;
}

function workflowIdOf(rolloutId: string): string {
  return `rollout:test:${rolloutId}`;
}

function startOne(env: TestWorkflowEnvironment, taskQueue: string, input: RolloutInput, other?: OtherWorkflow) {
  return env.client.workflow.start<typeof rollout>(other?.type ?? 'rollout', {
    taskQueue,
    workflowId: workflowIdOf(input.rolloutId),
    args: [{ ...input, ...other?.input }],
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
  tell(world: FakeWorld, story: (story: Story) => Promise<void>, other?: OtherWorkflow): Promise<void>;
  /** The same for many rollouts at once, which share the worker and the clock. */
  tellMany(
    worlds: readonly FakeWorld[],
    tell: (stories: Story[]) => Promise<void>,
    other?: OtherWorkflow,
  ): Promise<void>;
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

  async function replay(stories: readonly Story[]): Promise<void> {
    const histories = await Promise.all(
      stories.map(async ({ handle }) => ({ workflowId: handle.workflowId, history: await handle.fetchHistory() })),
    );
    for await (const { error } of Worker.runReplayHistories({ workflowBundle: bundle }, histories))
      if (error !== undefined) throw error;
  }

  async function tellMany(
    worlds: readonly FakeWorld[],
    tell: (stories: Story[]) => Promise<void>,
    other?: OtherWorkflow,
  ): Promise<void> {
    const fakes = new Map<string, FakeActivities>();
    const taskQueue = `rig-${randomUUID()}`;
    const worker = await Worker.create({
      connection: env.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: eachWorkflowsOwn(fakes),
    });
    const stories: Story[] = [];
    try {
      await worker.runUntil(async () => {
        for (const world of worlds) {
          const rolloutId = randomUUID();
          const fake = fakeActivities(world, () => env.currentTimeMs());
          fakes.set(workflowIdOf(rolloutId), fake);
          const input = { rolloutId, image: 'docker.io/library/redis', tag: '7.5-alpine' };
          stories.push({ handle: await startOne(env, taskQueue, input, other), fake, env });
        }
        await tell(stories);
      });
    } catch (error) {
      await Promise.all(stories.map(({ handle }) => handle.terminate('the test failed').catch(() => undefined)));
      throw error;
    }
    for (const { handle } of stories) {
      const { status } = await handle.describe();
      if (status.name !== 'RUNNING') continue;
      await handle.terminate('left running by a test');
      throw new Error('the test left its rollout running');
    }
    await replay(stories);
  }

  return {
    env,
    bundle,
    tellMany,
    tell: (world, story, other) => tellMany([world], ([only]) => story(only!), other),
    async close() {
      await env.teardown();
    },
  };
}

/** Activities know by their workflow's id which of the fleets they work on. */
function eachWorkflowsOwn(fakes: ReadonlyMap<string, FakeActivities>): Record<string, (input: unknown) => unknown> {
  const [anyOne] = fakes.values();
  const names = Object.keys((anyOne ?? fakeActivities({ batches: [] }, () => Promise.resolve(0))).activities);
  return Object.fromEntries(
    names.map((name) => [
      name,
      (input: unknown) => {
        const own = fakes.get(activityInfo().workflowExecution?.workflowId ?? '');
        const activities = own?.activities as unknown as Record<string, (input: unknown) => unknown>;
        return activities[name]?.(input);
      },
    ]),
  );
}
