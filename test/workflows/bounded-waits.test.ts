import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { about } from '../support/drift';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

it('the deadline of a batch begins when the batch does, however long the ones before it took', async () => {
  const world = {
    batches: [5, 5],
    health: ({ batch, deadlinePassed }: { batch: number | null; deadlinePassed: boolean }) =>
      batch === 1 ? { completed: 5 } : deadlinePassed ? { timed_out: 5 } : { updating: 5 },
  };
  await rig.tell(world, async ({ handle, fake }) => {
    expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
    const began = fake.of('applyBatch')[1]?.atSeconds ?? 0;
    expect(began).toBeGreaterThan(1800);
    const late = fake.moments.find((moment) => moment.deadlinePassed);
    expect((late?.atSeconds ?? 0) - began).toEqual(about(300));
  });
});

it('whatever it waits for, it says until when, and then something happens', async () => {
  const world = {
    batches: [1, 1],
    approvals: [false, true],
    health: ({ deadlinePassed }: { deadlinePassed: boolean }) => (deadlinePassed ? { timed_out: 1 } : { updating: 1 }),
    rules: { maxFailureRate: 1 },
  };
  await rig.tell(world, async ({ handle, env }) => {
    const waited: string[] = [];
    for (let look = 0; look < 100; look++) {
      const {
        status,
        waiting_for: what,
        until,
      } = await handle.query<{
        status: string;
        waiting_for: string | null;
        until: string | null;
      }>('status');
      if (status === 'cancelled') break;
      if (what !== null && until !== null && waited.at(-1) !== what) waited.push(what);
      const left = until === null ? 0 : Date.parse(until) - (await env.currentTimeMs());
      await env.sleep(Math.max(left, 0) + 1000);
    }
    expect(waited).toEqual(['health of 1 device', 'the delay before batch 2', 'approval of batch 2']);
    expect(await handle.result()).toMatchObject({ reason: 'nobody approved batch 2 in time' });
  });
});
