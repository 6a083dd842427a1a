import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { about, around } from '../support/drift';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const HOUR = 3600;

describe("the original's real durations: 30 minutes between batches, 300 s for health, 600 s for the rollback", () => {
  it('goes out in three batches, half an hour apart', async () => {
    await rig.tell({ batches: [1, 4, 5] }, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      const times = fake.of('applyBatch').map((call) => call.atSeconds);
      const between = times.map((time, index) => time - (times[index - 1] ?? 0));
      // Without a signal a healthy batch is seen at the first look, a quarter of its 300 seconds after it was told.
      expect(between).toEqual([0, 75 + 1800, 75 + 1800].map(about));
    });
  });

  it('gives a batch 300 s, then fails it, and gives the rollback 600 s, then ends failed and names the devices', async () => {
    const world = {
      batches: [10, 90],
      health: ({ deadlinePassed }: { deadlinePassed: boolean }) =>
        deadlinePassed ? { timed_out: 10 } : { updating: 10 },
      rollback: ({ deadlinePassed }: { deadlinePassed: boolean }) =>
        deadlinePassed ? { rolled_back: 7, rollback_failed: 3 } : { rolling_back: 3, rolled_back: 7 },
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({
        status: 'failed',
        reason: expect.stringContaining('3 devices were put back but did not confirm'),
      });
      expect(fake.of('applyBatch')).toHaveLength(1);
      expect(fake.moments.at(-1)?.atSeconds).toEqual(about(300));
      const restored = fake.of('restoreDevices')[0]?.atSeconds ?? 0;
      const ended = fake.of('finishRollout')[0];
      expect((ended?.atSeconds ?? 0) - restored).toEqual(about(600));
      expect(ended?.input).toMatchObject({ status: 'failed', hold: true });
    });
  });

  it('ends a soak when its last device is due, with one more look', async () => {
    const world = {
      batches: [5],
      // By itself it looks after 600 s and 1800 s.
      rules: { healthTimeoutSeconds: 2400 },
      health: ({ seconds }: { seconds: number }) => (seconds < 1000 ? { health_checking: 5 } : { completed: 5 }),
      soakDue: ({ seconds }: { seconds: number }) => (seconds < 1000 ? 1000 - seconds : null),
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '5 of 5 healthy' });
      // The last look is at what is left, before it says that it is completed.
      expect(fake.of('readHealth').map((call) => call.atSeconds)).toEqual([600, 1000, 1000].map(about));
    });
  });
});

describe('a pause', () => {
  it('makes the deadline stand still: ten hours paused, and a batch still has its 300 s', async () => {
    const world = {
      batches: [5],
      rules: { onFailure: 'rollback' as const },
      health: ({ deadlinePassed }: { deadlinePassed: boolean }) =>
        deadlinePassed ? { timed_out: 5 } : { updating: 5 },
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('100s');
      await handle.signal('pause');
      await env.sleep('10h');
      await handle.signal('pause');
      await handle.signal('resume');
      await handle.result();
      const late = fake.moments.at(-1);
      expect(late?.deadlinePassed).toBe(true);
      expect(late?.atSeconds).toEqual(around(10 * HOUR + 300));
    });
  });

  it('holds the next batch back, also in the middle of the delay, whose clock stands still too', async () => {
    await rig.tell({ batches: [1, 9] }, async ({ handle, fake, env }) => {
      await env.sleep('300s');
      await handle.signal('pause');
      await env.sleep('5h');
      expect(fake.of('applyBatch')).toHaveLength(1);
      expect(await handle.query<{ status: string }>('status')).toMatchObject({
        status: 'paused',
        waiting_for: expect.stringContaining('resume'),
      });
      await handle.signal('resume');
      await handle.result();
      expect(fake.of('applyBatch')[1]?.atSeconds).toEqual(around(5 * HOUR + 75 + 1800));
    });
  });
});
