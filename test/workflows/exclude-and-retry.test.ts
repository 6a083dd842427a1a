import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FakeWorld } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const device = '6f1c2d1e-0000-4000-8000-000000000001';
const HOUR = 3600;

describe('exclude', () => {
  it('that comes before the plan is done before anybody is told', async () => {
    await rig.tell({ batches: [5], queuedUntil: HOUR }, async ({ handle, fake, env }) => {
      await env.sleep('60s');
      await handle.signal('exclude', { devices: [device], reason: 'in the workshop', actor: 'ana' });
      await env.sleep('10s');
      expect(fake.of('excludeDevices')).toHaveLength(0);
      await handle.result();
      expect(fake.of('excludeDevices').map(({ input }) => input)).toEqual([
        expect.objectContaining({ devices: [device], reason: 'in the workshop', actor: 'ana' }),
      ]);
      const names = fake.calls.map(({ name }) => name);
      expect(names.indexOf('excludeDevices')).toBeLessThan(names.indexOf('applyBatch'));
    });
  });

  it('is done in a pause too, and the pause goes on', async () => {
    await rig.tell({ batches: [5, 5] }, async ({ handle, fake, env }) => {
      await env.sleep('200s');
      await handle.signal('pause');
      await handle.signal('exclude', { devices: [device] });
      await env.sleep('2h');
      expect(fake.of('excludeDevices')).toHaveLength(1);
      expect(fake.of('applyBatch')).toHaveLength(1);
      expect(await handle.query('status')).toMatchObject({ status: 'paused' });
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });

  it('of a device already told is waited for until it is back on its image', async () => {
    let back = false;
    const world: FakeWorld = {
      batches: [5],
      excluded: { skipped: 0, putBack: 1 },
      health: () => (back ? { completed: 4, rolled_back: 1 } : { completed: 4, rolling_back: 1 }),
      overall: () => (back ? { completed: 4, rolled_back: 1 } : { completed: 4, rolling_back: 1 }),
    };
    await rig.tell(world, async ({ handle, env }) => {
      await env.sleep('5s');
      await handle.signal('exclude', { devices: [device] });
      await env.sleep('200s');
      expect(await handle.query('status')).toMatchObject({
        waiting_for: '1 device to confirm that the previous image is back',
      });
      back = true;
      await handle.signal('health', {});
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '4 of 4 healthy, 1 put back' });
    });
  });
});

describe('retry', () => {
  it('after the batch has passed is waited for before the end, and judged by the same rules', async () => {
    let told = false;
    const world: FakeWorld = {
      batches: [10, 10],
      retried: 1,
      health: ({ batch }) => (batch === 1 ? { completed: 9, failed: 1 } : { completed: 10 }),
      overall: ({ seconds }) =>
        told && seconds < 1000 ? { completed: 19, updating: 1 } : { completed: told ? 20 : 19, failed: told ? 0 : 1 },
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('200s');
      told = true;
      await handle.signal('retry', { actor: 'ana' });
      await until(() => Promise.resolve(fake.of('retryDevices').length > 0));
      expect(fake.of('retryDevices').map(({ input }) => input)).toEqual([expect.objectContaining({ attempt: null })]);
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '20 of 20 healthy' });
    });
  });

  it('in a pause waits for the resume', async () => {
    await rig.tell({ batches: [10, 10], retried: 1 }, async ({ handle, fake, env }) => {
      await env.sleep('200s');
      await handle.signal('pause');
      await handle.signal('retry');
      await env.sleep('5h');
      expect(fake.of('retryDevices')).toHaveLength(0);
      await handle.signal('resume');
      await until(() => Promise.resolve(fake.of('retryDevices').length > 0));
      expect(fake.of('retryDevices')).toHaveLength(1);
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });
});
