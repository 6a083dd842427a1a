import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { comesTo } from '../support/comes-to';
import { about, around } from '../support/drift';
import { heldUntil, type FakeWorld } from '../support/fake-activities';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const DAY = 86_400;
const windowOf = (devices: number) => heldUntil(DAY, { kind: 'window', devices, reason: null });
const world: FakeWorld = { batches: [5], held: windowOf(5) };

describe('a maintenance window', () => {
  it('is waited for as scheduled, says until when, and then it goes on by itself', async () => {
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('60s');
      const opens = (await env.currentTimeMs()) + (DAY - 60) * 1000;
      const view = await handle.query<{ until: string }>('status');
      expect(view).toMatchObject({
        status: 'scheduled',
        waiting_for: 'the maintenance window of 5 devices',
        commands: expect.not.arrayContaining(['advance', 'approve']),
      });
      expect((Date.parse(view.until) - opens) / 1000).toEqual(around(0));
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('applyBatch').at(-1)?.atSeconds).toEqual(about(DAY));
      // It is looked for ever more rarely, so that a long wait has a short history.
      expect(fake.of('applyBatch').length).toBeLessThan(25);
    });
  });

  it('takes nothing of the time that a device has to be healthy', async () => {
    const late = { ...world, health: ({ deadlinePassed }: { deadlinePassed: boolean }) => slow(deadlinePassed) };
    await rig.tell(late, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
      expect(fake.of('closeBatch')[0]?.atSeconds).toEqual(about(DAY + 300));
    });
  });

  it('that opens during a pause is made use of as soon as it is resumed', async () => {
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('60s');
      await handle.signal('pause');
      await env.sleep('30h');
      expect(await handle.query('status')).toMatchObject({ status: 'paused' });
      const looked = fake.of('applyBatch').length;
      await handle.signal('resume');
      await comesTo(handle, { status: 'in_progress', waiting_for: 'health of 5 devices' });
      expect(fake.of('applyBatch')).toHaveLength(looked + 1);
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });

  it('of some of the devices lets the others go, and the verdict waits for all', async () => {
    await rig.tell({ batches: [5], held: windowOf(2) }, async ({ handle, fake, env }) => {
      await comesTo(handle, {
        status: 'in_progress',
        waiting_for: 'health of 3 devices, and the maintenance window of 2 devices',
      });
      await env.sleep('12h');
      expect(await handle.query('status')).toMatchObject({
        status: 'scheduled',
        counts: { healthy: 3 },
        waiting_for: 'the maintenance window of 2 devices',
      });
      expect(fake.of('closeBatch')).toHaveLength(0);
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '5 of 5 healthy' });
      expect(fake.of('closeBatch')[0]?.atSeconds).toBeGreaterThan(DAY);
    });
  });

  it('that never opens says how to get out, and is not waited for without end', async () => {
    const never = { batches: [5], held: () => ({ kind: 'window' as const, devices: 5, until: null, reason: null }) };
    await rig.tell(never, async ({ handle, env }) => {
      await env.sleep('5d');
      expect(await handle.query('status')).toMatchObject({
        status: 'scheduled',
        waiting_for: expect.stringContaining("change the policy's windows"),
        until: null,
      });
      expect(await handle.result()).toMatchObject({
        status: 'cancelled',
        reason: expect.stringContaining('for 7 days it waited'),
      });
    });
  });
});

describe('a freeze', () => {
  const reason = 'the end of the quarter';

  it('is waited for with its reason, and until when', async () => {
    const frozen = { batches: [5], held: heldUntil(DAY, { kind: 'freeze', devices: 5, reason }) };
    await rig.tell(frozen, async ({ handle, fake, env }) => {
      await env.sleep('60s');
      expect(await handle.query('status')).toMatchObject({
        status: 'scheduled',
        waiting_for: `the end of a freeze for 5 devices (${reason})`,
        until: expect.any(String),
      });
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('applyBatch').at(-1)?.atSeconds).toBeGreaterThanOrEqual(DAY);
    });
  });

  it('that is lifted early lets it go on at the signal, not at its next look', async () => {
    let lifted = false;
    const frozen = heldUntil(30 * DAY, { kind: 'freeze', devices: 5, reason });
    const world: FakeWorld = { batches: [5], held: (...moment) => (lifted ? null : frozen(...moment)) };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('2d');
      lifted = true;
      await handle.signal('health', {});
      await comesTo(handle, { status: 'in_progress' });
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('applyBatch').at(-1)?.atSeconds).toBeLessThan(2 * DAY + 3600);
    });
  });
});

function slow(deadlinePassed: boolean): Record<string, number> {
  return deadlinePassed ? { timed_out: 5 } : { updating: 5 };
}
