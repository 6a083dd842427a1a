import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { comesTo } from '../support/comes-to';
import type { FakeActivities, FakeWorld } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const HOUR = 3600;
/** Each batch soaks for an hour, and the next one comes a day later. */
const world: FakeWorld = {
  batches: [1, 2, 3, 4],
  approvals: [false, true, false, true],
  rules: { soakSeconds: HOUR, batchDelaySeconds: 24 * HOUR },
  health: ({ seconds, soakSeconds }, planned) =>
    seconds < soakSeconds ? { health_checking: planned } : { completed: planned },
  soakDue: ({ seconds, soakSeconds }) => (seconds < soakSeconds ? soakSeconds - seconds : null),
};
const told = (fake: FakeActivities): number[] =>
  fake.of('applyBatch').map(({ input }) => (input as { batch: number }).batch);
const everybody = { status: 'completed', reason: '10 of 10 healthy' };

describe('advance {"to": "all"}', () => {
  it('in the delay before a batch makes the rest one, at once and without further approvals', async () => {
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('2h');
      expect(await handle.query('status')).toMatchObject({ waiting_for: 'the delay before batch 2', batches: 4 });
      await handle.signal('advance', { to: 'all', actor: 'ana' });
      await comesTo(handle, { status: 'in_progress', batch: 2, batches: 2 });
      expect(await handle.result()).toMatchObject(everybody);
      expect(told(fake)).toEqual([1, 2]);
      expect(fake.of('mergeBatches').map(({ input }) => input)).toEqual([expect.objectContaining({ actor: 'ana' })]);
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(4 * HOUR);
    });
  });

  it('in the soak of a batch ends that, then makes the rest one', async () => {
    await rig.tell(world, async ({ handle, fake }) => {
      await comesTo(handle, { waiting_for: 'health of 1 device' });
      await handle.signal('advance', { to: 'all' });
      await until(() => Promise.resolve(told(fake).length > 1));
      expect(told(fake)).toEqual([1, 2]);
      expect(await handle.query('status')).toMatchObject({ batches: 2 });
      expect(await handle.result()).toMatchObject(everybody);
    });
  });

  it('before the first batch does not stand for the approval of a manual rollout', async () => {
    const manual = {
      ...world,
      delays: [24 * HOUR, null, null, null],
      rules: { ...world.rules, requiresApproval: true },
    };
    await rig.tell(manual, async ({ handle, fake }) => {
      await comesTo(handle, { waiting_for: 'the delay before batch 1' });
      await handle.signal('advance', { to: 'all' });
      await comesTo(handle, { status: 'awaiting_approval' });
      await handle.signal('approve');
      expect(await handle.result()).toMatchObject(everybody);
      expect(told(fake)).toEqual([1]);
    });
  });

  it('in the last batch has nothing to make one of', async () => {
    await rig.tell({ ...world, batches: [3] }, async ({ handle, fake }) => {
      await comesTo(handle, { waiting_for: 'health of 3 devices' });
      await handle.signal('advance', { to: 'all' });
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect([told(fake), fake.of('mergeBatches')]).toEqual([[1], []]);
    });
  });
});
