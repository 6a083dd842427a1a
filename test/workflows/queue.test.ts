import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const DAY = 86_400;

it('a queued rollout says behind whom, tells nobody, and goes as soon as it hears of the end', async () => {
  await rig.tell({ batches: [5], queuedUntil: 80_000 }, async ({ handle, fake, env }) => {
    await env.sleep('1d');
    expect(await handle.query('status')).toMatchObject({
      status: 'pending',
      waiting_for: 'the end of rollout older (tag 7.4-alpine), which has 3 devices of this one',
      until: expect.any(String),
    });
    // It has been free for two hours; its own looks come at 73,860 s and 95,460 s.
    expect(fake.of('applyBatch')).toHaveLength(0);
    await handle.signal('health', {});
    await until(() => Promise.resolve(fake.of('applyBatch').length === 1));
    expect(await handle.result()).toMatchObject({ status: 'completed' });
  });
});

it('finds out by itself when nobody tells it', async () => {
  await rig.tell({ batches: [5], queuedUntil: DAY }, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    const told = fake.of('applyBatch')[0]?.atSeconds ?? 0;
    expect([told >= DAY, told <= DAY + DAY / 4]).toEqual([true, true]);
    expect(fake.of('planRollout').length).toBeLessThan(25);
  });
});

it('after seven days it ends cancelled, and says what to do', async () => {
  await rig.tell({ batches: [5], queuedUntil: 100 * DAY }, async ({ handle, fake }) => {
    expect(await handle.result()).toEqual({
      status: 'cancelled',
      reason: 'it was queued behind rollout older for 7 days: end that one, then trigger the update again',
    });
    const ended = fake.of('finishRollout')[0]?.atSeconds ?? 0;
    expect([ended >= 7 * DAY, ended < 7 * DAY + 3600]).toEqual([true, true]);
    expect(fake.of('applyBatch')).toHaveLength(0);
  });
});

it('the seven days stand still in a pause', async () => {
  await rig.tell({ batches: [5], queuedUntil: 100 * DAY }, async ({ handle, fake, env }) => {
    await env.sleep('1d');
    await handle.signal('pause');
    await env.sleep('20d');
    await handle.signal('resume');
    expect(await handle.result()).toMatchObject({ status: 'cancelled' });
    expect(fake.of('finishRollout')[0]?.atSeconds).toBeGreaterThanOrEqual(27 * DAY);
  });
});
