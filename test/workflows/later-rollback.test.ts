import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { comesTo } from '../support/comes-to';
import { about, around } from '../support/drift';
import { until } from '../support/outage';
import { createWorkflowRig, type OtherWorkflow, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const DEVICE = '6f1c2d1e-0000-4000-8000-000000000001';
const rollback: OtherWorkflow = { type: 'rollback', input: { reason: 'too slow', actor: 'ana' } };
const confirming = { waiting_for: '1 device to confirm the rollback' };
const deviceRollback: OtherWorkflow = {
  type: 'deviceRollback',
  input: { reason: null, actor: 'ana', deviceUuid: DEVICE },
};

describe('the rollback of a rollout that has ended', () => {
  it('reopens it under its own id, puts it back, and ends it rolled back under a hold', async () => {
    const story = async ({ handle, fake }: Parameters<Parameters<WorkflowRig['tell']>[1]>[0]) => {
      expect(await handle.result()).toEqual({
        status: 'rolled_back',
        reason:
          "too slow; 4 devices are back on their own previous image, 2 left to a newer rollout or to somebody's change",
      });
      expect(fake.calls.map((call) => call.name)).toEqual([
        'reopenRollout',
        'restoreDevices',
        'readRollback',
        'finishRollout',
      ]);
      const { workflowId } = handle;
      expect(fake.of('reopenRollout')[0]?.input).toMatchObject({
        ...{ workflowId, runId: handle.firstExecutionRunId },
        ...{ reason: 'too slow', actor: 'ana' },
      });
      expect(fake.of('finishRollout')[0]?.input).toMatchObject({ status: 'rolled_back', actor: 'ana', hold: true });
    };
    await rig.tell(
      { batches: [6], rollback: () => ({ rolled_back: 4, superseded: 1, completed: 1 }) },
      story,
      rollback,
    );
  });

  it('waits for the confirmations and says so; what does not confirm in time makes it fail, with the number', async () => {
    const world = {
      batches: [5],
      rollback: ({ deadlinePassed }: { deadlinePassed: boolean }) =>
        deadlinePassed ? { rolled_back: 3, rollback_failed: 2 } : { rolled_back: 3, rolling_back: 2 },
    };
    await rig.tell(
      world,
      async ({ handle, fake, env }) => {
        await env.sleep('60s');
        expect(await handle.query('status')).toMatchObject({
          ...{ status: 'rolling_back', waiting_for: '2 devices to confirm the rollback' },
          ...{ commands: ['cancel'], counts: { rolling_back: 2, rolled_back: 3 } },
        });
        expect(await handle.result()).toMatchObject({
          status: 'failed',
          reason: expect.stringMatching(/^2 devices were put back but did not confirm/),
        });
        expect(fake.of('finishRollout')[0]?.atSeconds).toEqual(about(600));
      },
      rollback,
    );
  });

  it('looks when a signal says that the last device has confirmed', async () => {
    let open = 1;
    await rig.tell(
      {
        batches: [1],
        // The first look of its own comes after an hour.
        rules: { rollbackTimeoutSeconds: 14_400 },
        rollback: () => (open === 0 ? { rolled_back: 1 } : { rolling_back: open }),
      },
      async ({ handle, fake }) => {
        await comesTo(handle, confirming);
        open = 0;
        await handle.signal('health', { batch: 1 });
        await until(() => Promise.resolve(fake.of('finishRollout').length > 0));
        expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
        expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(1800);
      },
      rollback,
    );
  });

  it('leaves a rollout that has nothing to put back as it ended', async () => {
    await rig.tell(
      { batches: [1], notReopened: 'it has changed no device' },
      async ({ handle, fake }) => {
        expect(await handle.result()).toEqual({ status: 'completed', reason: 'it has changed no device' });
        expect(fake.calls.map((call) => call.name)).toEqual(['reopenRollout']);
      },
      rollback,
    );
  });

  it('cancel stops the waiting; every other command changes nothing, and is recorded', async () => {
    await rig.tell(
      { batches: [1], rollback: () => ({ rolling_back: 1 }) },
      async ({ handle, fake }) => {
        await comesTo(handle, confirming);
        for (const name of ['rollback', 'pause', 'resume', 'retry', 'advance', 'exclude', 'supersede', 'cancel'])
          await handle.signal(name, { actor: 'ben' });
        expect(await handle.result()).toMatchObject({ status: 'cancelled' });
        const said = fake
          .of('recordProgress')
          .flatMap((call) => (call.input as { events: { type: string; data: { applied: boolean } }[] }).events)
          .filter((event) => event.data.applied);
        expect(said.map((event) => event.type)).toEqual(['command.cancel']);
      },
      rollback,
    );
  });
});

describe('the rollback of one device of an ended rollout', () => {
  it('ends when the device confirms; the rollout is not touched', async () => {
    await rig.tell(
      { batches: [1], putBack: (seconds) => (seconds < 45 ? 'rolling_back' : 'rolled_back') },
      async ({ handle, fake }) => {
        expect(await handle.result()).toEqual({ status: 'rolled_back', reason: null });
        expect(fake.of('putBackDevice')[0]?.input).toMatchObject({
          ...{ deviceUuid: DEVICE, reason: 'rollback by ana', actor: 'ana' },
        });
        expect(new Set(fake.calls.map((call) => call.name))).toEqual(new Set(['putBackDevice', 'readPutBack']));
      },
      deviceRollback,
    );
  });

  it.each([
    ['the time is up', null, about(600), 'its previous image was put back but not confirmed in time'],
    [
      'it is cancelled',
      'cancel',
      around(20),
      'its previous image was put back, and waiting for its confirmation was cancelled',
    ],
  ])('gives up when %s, with few looks', async (_, command, atSeconds, reason) => {
    await rig.tell(
      { batches: [1], putBack: () => 'rolling_back' },
      async ({ handle, fake, env }) => {
        await env.sleep('20s');
        if (command !== null) await handle.signal(command);
        expect(await handle.result()).toEqual({ status: 'rollback_failed', reason });
        const looks = fake.of('readPutBack');
        expect(looks.at(-1)?.atSeconds).toEqual(atSeconds);
        expect(looks.length).toBeLessThan(20);
      },
      deviceRollback,
    );
  });
});

it('a rollback signal that comes as the rollout ends is told that it does nothing, and what does', async () => {
  let finishing = (): void => undefined;
  const atTheEnd = new Promise<void>((resolve) => (finishing = resolve));
  let release = (): void => undefined;
  const blocked = new Promise<void>((resolve) => (release = resolve));
  const world = {
    batches: [],
    whileFinishing: async () => {
      finishing();
      await blocked;
    },
  };
  await rig.tell(world, async ({ handle }) => {
    await atTheEnd;
    await handle.signal('rollback');
    const { commands } = await handle.query<{ commands: string[] }>('status');
    expect(commands).toEqual(['rollback']);
    release();
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    const details = await handle.query<string>('__temporal_workflow_metadata');
    expect(JSON.stringify(details)).toContain(
      'rollback (temporal): changes nothing: the rollout has ended (completed)',
    );
  });
});
