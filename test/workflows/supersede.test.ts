import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { comesTo } from '../support/comes-to';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const world = { batches: [5, 5], health: () => ({ updating: 5 }) };

it('a rollout gives way to a newer one', async () => {
  await rig.tell(world, async ({ handle, env }) => {
    await env.sleep('10s');
    await handle.signal('supersede', { rolloutId: 'another' });
    expect(await handle.result()).toMatchObject({ status: 'superseded', reason: expect.stringContaining('another') });
  });
});

it('a rollout does not give way to itself', async () => {
  await rig.tell({ batches: [5] }, async ({ handle, fake }) => {
    const { rollout_id: rolloutId } = await handle.query<{ rollout_id: string }>('status');
    await handle.signal('supersede', { rolloutId });
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    expect(fake.of('finishRollout')).toHaveLength(1);
  });
});

it('a paused rollout whose devices a newer image took is not stuck: it ends as superseded', async () => {
  let taken = false;
  const paused = {
    batches: [5],
    health: () => ({ updating: 5 }),
    overall: () => (taken ? { superseded: 5 } : { updating: 5 }),
  };
  await rig.tell(paused, async ({ handle }) => {
    await comesTo(handle, { waiting_for: 'health of 5 devices' });
    await handle.signal('pause');
    taken = true;
    await handle.signal('health', {});
    expect(await handle.result()).toMatchObject({ status: 'superseded' });
  });
});
