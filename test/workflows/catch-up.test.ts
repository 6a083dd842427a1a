import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { around } from '../support/drift';
import { heldUntil, type FakeActivities, type FakeWorld } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const HOUR = 3600;
const skipped = (fake: FakeActivities): number[] => fake.of('skipDeferred').map(({ atSeconds }) => atSeconds);

it('devices that return go in waves, each judged like a batch, and nobody waits longer than it takes', async () => {
  const world: FakeWorld = {
    batches: [5],
    returns: [
      { atSeconds: 2 * HOUR, devices: 2 },
      { atSeconds: 5 * HOUR, devices: 1 },
    ],
  };
  await rig.tell(world, async ({ handle, fake, env }) => {
    await env.sleep('1h');
    expect(await handle.query('status')).toMatchObject({
      status: 'in_progress',
      waiting_for: '3 devices that were offline to return',
      counts: { healthy: 5, deferred: 3 },
      until: expect.any(String),
    });
    expect(await handle.result()).toMatchObject({ status: 'completed', reason: '8 of 8 healthy' });
    expect(fake.of('closeBatch').map(({ input }) => (input as { batch: number }).batch)).toEqual([1, 2, 3]);
    const waves = fake
      .of('applyBatch')
      .slice(1)
      .map(({ atSeconds }) => atSeconds);
    expect([waves[0]! >= 2 * HOUR, waves[1]! >= 5 * HOUR, waves[1]! < 6 * HOUR]).toEqual([true, true, true]);
    expect(skipped(fake)).toEqual([]);
  });
});

it('a wave that fails is treated as the policy says of a batch', async () => {
  const world: FakeWorld = {
    batches: [5],
    returns: [{ atSeconds: HOUR, devices: 3 }],
    neverBack: 4,
    health: ({ batch }, planned) => (batch === 2 ? { failed: planned } : { completed: planned }),
  };
  await rig.tell(world, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({
      status: 'rolled_back',
      reason: expect.stringContaining('3 of 3 devices of this batch failed'),
    });
    expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(3 * HOUR);
    expect(skipped(fake)).toEqual([]);
  });
});

it('who does not return in time is skipped, and the time stands still in a pause', async () => {
  const world: FakeWorld = { batches: [5], neverBack: 2, rules: { catchUpHours: 10 } };
  await rig.tell(world, async ({ handle, fake, env }) => {
    await env.sleep('5h');
    await handle.signal('pause');
    await env.sleep('40h');
    expect(skipped(fake)).toEqual([]);
    await handle.signal('resume');
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    const [at = 0] = skipped(fake);
    expect(at).toBeGreaterThanOrEqual(50 * HOUR);
    expect(at).toBeLessThan(51 * HOUR);
    // A long wait has a short history.
    expect(fake.of('nextWave').length).toBeLessThan(110);
  });
});

// Found by the model: a device that is seen by day, with a window by night, was waited for for ever.
it('the time in which a wave waits for its window counts too', async () => {
  const window = { kind: 'window' as const, devices: 1, reason: null };
  const world: FakeWorld = {
    batches: [5],
    returns: [{ atSeconds: HOUR, devices: 1 }],
    neverBack: 1,
    rules: { catchUpHours: 3 },
    held: (seconds, nowMs) => (seconds < HOUR ? null : heldUntil(40 * HOUR, window)(seconds, nowMs)),
  };
  await rig.tell(world, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    const [at = 0] = skipped(fake);
    expect(at).toBeGreaterThanOrEqual(40 * HOUR);
    expect(at).toBeLessThan(41 * HOUR);
  });
});

/** So that it looks every 45 minutes after the first hour. */
const rules = { catchUpHours: 72 };

it('advance ends the waiting at once', async () => {
  await rig.tell({ batches: [5], neverBack: 2, rules }, async ({ handle, fake, env }) => {
    await env.sleep('2h');
    await handle.signal('advance');
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    // Its own next look would have come at 9255 s.
    expect(skipped(fake)).toEqual([around(2 * HOUR)]);
  });
});

it('a signal that a device is back is heeded at once, not at the next look', async () => {
  const world: FakeWorld = { batches: [5], returns: [{ atSeconds: 9.5 * HOUR, devices: 1 }], rules };
  await rig.tell(world, async ({ handle, fake, env }) => {
    // Back for ten minutes; its own looks come at 33,555 s and 36,255 s.
    await env.sleep('580m');
    expect(fake.of('applyBatch')).toHaveLength(1);
    await handle.signal('health', {});
    await until(() => Promise.resolve(fake.of('applyBatch').length === 2));
    expect(await handle.result()).toMatchObject({ status: 'completed', reason: '6 of 6 healthy' });
  });
});

it('a rollout whose devices were all offline, and were taken by a newer one, has proven nothing: it ends as superseded', async () => {
  let taken = false;
  const counts = () => (taken ? { superseded: 2 } : { deferred: 2 });
  await rig.tell({ batches: [2], neverBack: 2, health: counts, overall: counts }, async ({ handle, env }) => {
    await env.sleep('10m');
    taken = true;
    await handle.signal('health', {});
    expect(await handle.result()).toMatchObject({ status: 'superseded', reason: expect.stringContaining('newer') });
  });
});
