import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FakeActivities, FakeWorld } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

/** Devices that pass with their batch and break while nothing is being told. */
let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const HOUR = 3600;
const told = (fake: FakeActivities): number[] =>
  fake.of('applyBatch').map(({ input }) => (input as { batch: number }).batch);

/** The first ten devices pass; from the fifth minute on, half of them have broken. `others`: who is not told yet. */
function breaking(others: 'pending' | 'deferred'): FakeWorld {
  return {
    batches: [10, 90],
    overall: ({ seconds }) =>
      seconds < 300 ? { completed: 10, [others]: 90 } : { completed: 5, failed: 5, [others]: 90 },
  };
}

describe.each([
  {
    when: 'in the delay before the next batch',
    world: { rules: { batchDelaySeconds: 2 * HOUR } },
    waitsFor: 'the delay before batch 2',
  },
  {
    when: 'while the next batch waits for approval',
    world: { approvals: [false, true], rules: { batchDelaySeconds: 0 } },
    waitsFor: 'approval of batch 2',
  },
])('devices that break $when', ({ world, waitsFor }) => {
  it('stop the rollout at the signal, before anybody else is told', async () => {
    await rig.tell({ ...breaking('pending'), ...world }, async ({ handle, fake, env }) => {
      await env.sleep('10m');
      expect(await handle.query('status')).toMatchObject({ waiting_for: waitsFor });
      await handle.signal('health', {});
      // Before the result is waited for: time runs on at once then, also past what the signal has set off.
      await until(() => Promise.resolve(fake.of('restoreDevices').length > 0));
      expect(await handle.result()).toMatchObject({
        status: 'rolled_back',
        reason: expect.stringContaining('5 of 10 devices attempted so far failed (50 %)'),
      });
      expect(told(fake)).toEqual([1]);
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(HOUR);
    });
  });

  it('leave it waiting where the rules allow so many', async () => {
    const rules = { ...world.rules, maxFailureRate: 0.5 };
    await rig.tell({ ...breaking('pending'), ...world, rules }, async ({ handle, fake, env }) => {
      await env.sleep('10m');
      await handle.signal('health', {});
      await env.sleep('10m');
      expect(await handle.query('status')).toMatchObject({ waiting_for: waitsFor, counts: { healthy: 5, failed: 5 } });
      expect(told(fake)).toEqual([1]);
      await handle.signal('cancel');
      expect(await handle.result()).toMatchObject({ status: 'cancelled' });
    });
  });
});

it('devices that break while others are waited for stop the rollout, whether or not a signal tells of it', async () => {
  const world: FakeWorld = { ...breaking('deferred'), batches: [10], neverBack: 90, rules: { catchUpHours: 24 } };
  await rig.tell(world, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({
      status: 'rolled_back',
      reason: expect.stringContaining('attempted so far failed'),
    });
    expect(told(fake)).toEqual([1]);
    expect(fake.of('skipDeferred')).toEqual([]);
    expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(2 * HOUR);
  });
});

it('devices that break before the last look, with nobody left to tell, still roll it back', async () => {
  const world: FakeWorld = {
    batches: [10],
    rules: { soakSeconds: 0 },
    overall: () => ({ completed: 5, failed: 5 }),
  };
  await rig.tell(world, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
    expect(fake.of('restoreDevices')[0]?.input).toMatchObject({ scope: 'all' });
  });
});
