import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { comesTo } from '../support/comes-to';
import { about } from '../support/drift';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

/** Healthy at the first look, a quarter of the 300 s after it was told. */
const LOOK = 75;

describe("a batch's own times", () => {
  it("its delay comes before it, the first one too; where it has none, the rules' half hour does", async () => {
    await rig.tell({ batches: [1, 2, 3, 4], delays: [600, 0, null, 7200] }, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      const times = fake.of('applyBatch').map((call) => call.atSeconds);
      const between = times.map((time, index) => time - (times[index - 1] ?? 0));
      expect(between).toEqual([600, LOOK, LOOK + 1800, LOOK + 7200].map(about));
    });
  });

  it('a delay before the first batch is shown, and advance ends it', async () => {
    await rig.tell({ batches: [1], delays: [86_400] }, async ({ handle, fake }) => {
      await comesTo(handle, {
        status: 'in_progress',
        waiting_for: 'the delay before batch 1',
        commands: expect.arrayContaining(['advance']),
      });
      await handle.signal('advance');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('applyBatch')[0]?.atSeconds).toBeLessThan(3600);
    });
  });

  it("its soak is asked for instead of the rules', and a retry asks for each batch's own", async () => {
    const world = {
      batches: [1, 1, 8],
      soaks: [600, 0, null],
      delays: [0, 0, 0],
      retried: 1,
      rules: { retryAttempts: 2 },
      health: ({ batch }: { batch: number | null }, planned: number) =>
        batch === 3 ? { completed: planned - 1, failed: 1 } : { completed: planned },
      overall: (_: unknown, planned: number) => ({ completed: planned }),
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      const soaks = fake.of('readHealth').map((call) => (call.input as { soakSeconds: number | null }).soakSeconds);
      expect(soaks.slice(0, 3)).toEqual([600, 0, 60]);
      expect([...new Set(soaks.slice(3))]).toEqual([null]);
    });
  });
});

it('a rollout that leaves out everybody completes and says so', async () => {
  await rig.tell({ batches: [], leftOut: 7 }, async ({ handle }) => {
    expect(await handle.result()).toEqual({
      status: 'completed',
      reason: 'all 7 devices that are not on target are left out: each says why',
    });
    expect(await handle.query('status')).toMatchObject({ counts: { planned: 0, skipped: 7 } });
  });
});
