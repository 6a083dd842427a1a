import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RecordProgressInput } from '../../src/activities/record';
import { comesTo } from '../support/comes-to';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';
import type { FakeActivities } from '../support/fake-activities';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const events = (fake: FakeActivities) =>
  fake.of('recordProgress').flatMap(({ input }) => (input as RecordProgressInput).events);
const updating = { batches: [5, 5], health: () => ({ updating: 5 }) };

describe('commands', () => {
  it('work with an empty input box, twice, and say what they did and by whom', async () => {
    await rig.tell({ batches: [1, 9] }, async ({ handle, fake, env }) => {
      await env.sleep('200s');
      for (const name of ['pause', 'pause', 'resume', 'resume']) await handle.signal(name);
      await handle.result();
      expect(events(fake).map(({ type, data }) => [type, data['applied'], data['effect']])).toEqual([
        ['command.pause', true, 'no further device is told; devices already told go on'],
        ['command.pause', false, 'changes nothing: it is paused already'],
        ['command.resume', true, 'goes on where it was paused'],
        ['command.resume', false, 'changes nothing: it is not paused'],
      ]);
      expect(events(fake).every(({ actor }) => actor === 'temporal')).toBe(true);
    });
  });

  it('survive whatever JSON somebody types into the input box', async () => {
    await rig.tell({ batches: [1] }, async ({ handle, fake }) => {
      for (const input of [null, 7, 'now', [], { reason: 5, actor: { a: 1 } }, { reason: 'x'.repeat(5000) }])
        await handle.signal('pause', input);
      await handle.signal('health', 'nonsense');
      await handle.signal('health', { device: 5, status: 'healthy' });
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(events(fake).filter(({ type }) => type === 'command.pause')).toHaveLength(6);
    });
  });

  it('that nobody knows are shown and recorded, not swallowed', async () => {
    await rig.tell({ batches: [1] }, async ({ handle, fake }) => {
      await handle.signal('Pause');
      await handle.result();
      expect(events(fake)).toContainEqual(
        expect.objectContaining({ type: 'command.unknown', data: { signal: 'Pause' } }),
      );
    });
  });

  it('cancel ends at once and leaves what was updated', async () => {
    await rig.tell(updating, async ({ handle, fake, env }) => {
      await env.sleep('10s');
      await handle.signal('cancel', { reason: 'wrong tag', actor: 'ana' });
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: 'wrong tag' });
      expect(fake.of('restoreDevices')).toHaveLength(0);
      expect(fake.of('finishRollout')[0]?.input).toMatchObject({ status: 'cancelled', actor: 'ana', hold: false });
    });
  });

  it('rollback wins over a pause, and holds the revision', async () => {
    await rig.tell(updating, async ({ handle, fake, env }) => {
      await env.sleep('10s');
      await handle.signal('pause');
      await handle.signal('rollback');
      expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
      expect(fake.of('finishRollout')[0]?.input).toMatchObject({ status: 'rolled_back', hold: true });
    });
  });

  it('cancel wins over rollback that came first in the same moment, and stops the wait for its confirmation', async () => {
    await rig.tell({ ...updating, rollback: () => ({ rolling_back: 5 }) }, async ({ handle }) => {
      await comesTo(handle, { waiting_for: 'health of 5 devices' });
      await handle.signal('rollback');
      await comesTo(handle, { waiting_for: '5 devices to confirm the rollback' });
      await handle.signal('cancel');
      expect(await handle.result()).toMatchObject({ status: 'cancelled' });
    });
  });

  it('a rollback stops a batch in the middle of being applied', async () => {
    let applying = (): void => undefined;
    const started = new Promise<void>((resolve) => (applying = resolve));
    let release = (): void => undefined;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const world = {
      batches: [5],
      whileApplying: async () => {
        applying();
        await blocked;
        return false;
      },
    };
    await rig.tell(world, async ({ handle, fake }) => {
      await started;
      await handle.signal('rollback');
      while (fake.of('restoreDevices').length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      release();
      expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
    });
  });

  it('a pause in the middle of applying lets the rest be applied after the resume', async () => {
    let times = 0;
    const world = {
      batches: [5],
      whileApplying: () => Promise.resolve((times += 1) > 1),
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('applyBatch')).toHaveLength(2);
    });
  });

  it('advance ends the delay before the next batch', async () => {
    await rig.tell({ batches: [1, 9] }, async ({ handle, fake, env }) => {
      await env.sleep('200s');
      await handle.signal('advance');
      await handle.result();
      expect(fake.of('applyBatch')[1]?.atSeconds).toBeLessThan(1000);
    });
  });

  it('advance ends the soak of the batch, not the wait for its health', async () => {
    const world = {
      batches: [5],
      rules: { soakSeconds: 86_400 },
      health: ({ soakSeconds }: { soakSeconds: number }) =>
        soakSeconds > 0 ? { health_checking: 5 } : { completed: 5 },
      soakDue: () => 86_000,
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('100s');
      await comesTo(handle, { waiting_for: 'the soak of 5 devices' });
      await handle.signal('advance');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(3600);
    });
  });

  it('advance ends no soak that has not begun', async () => {
    const soaking = ({ seconds, soakSeconds }: { seconds: number; soakSeconds: number }) =>
      seconds < 1500 ? { scheduled: 5 } : seconds < 1500 + soakSeconds ? { health_checking: 5 } : { completed: 5 };
    const world = {
      batches: [5],
      rules: { soakSeconds: 3600, healthTimeoutSeconds: 3600 },
      health: soaking,
      soakDue: ({ seconds, soakSeconds }: { seconds: number; soakSeconds: number }) =>
        seconds < 1500 ? null : 1500 + soakSeconds - seconds,
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('10m');
      await handle.signal('advance');
      await env.sleep('30m');
      await handle.signal('health', {});
      await comesTo(handle, { waiting_for: 'the soak of 5 devices' });
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeGreaterThanOrEqual(5100);
    });
  });
});

describe('approval', () => {
  it('is waited for before the start of a manual rollout, and opens it', async () => {
    await rig.tell({ batches: [3], rules: { requiresApproval: true } }, async ({ handle, fake, env }) => {
      await handle.signal('approve');
      await env.sleep('2h');
      expect(fake.of('applyBatch')).toHaveLength(0);
      expect(await handle.query<{ waiting_for: string; commands: string[] }>('status')).toMatchObject({
        status: 'awaiting_approval',
        waiting_for: 'approval of batch 1',
        commands: ['pause', 'cancel', 'rollback', 'approve', 'reject', 'exclude'],
      });
      await handle.signal('approve', { actor: 'ana' });
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });

  it('that nobody gives within a day ends the rollout as cancelled', async () => {
    await rig.tell({ batches: [1, 2], approvals: [false, true] }, async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: 'nobody approved batch 2 in time' });
      expect(fake.of('applyBatch')).toHaveLength(1);
    });
  });

  it('that is refused ends the rollout as cancelled', async () => {
    await rig.tell({ batches: [3], rules: { requiresApproval: true } }, async ({ handle }) => {
      await comesTo(handle, { status: 'awaiting_approval' });
      await handle.signal('reject', { reason: 'not today' });
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: 'approval refused: not today' });
    });
  });
});

describe('verdicts', () => {
  it('a signal makes a failing batch stop long before its deadline', async () => {
    const world = {
      batches: [10],
      rules: { healthTimeoutSeconds: 14_400 }, // So that its own first look comes after an hour.
      health: () => ({ failed: 5, updating: 5 }),
    };
    await rig.tell(world, async ({ handle, fake }) => {
      await comesTo(handle, { waiting_for: 'health of 10 devices' });
      await handle.signal('health', { batch: 1 });
      await until(() => Promise.resolve(fake.of('finishRollout').length > 0));
      expect(await handle.result()).toMatchObject({
        status: 'rolled_back',
        reason: expect.stringContaining('5 of 10 devices of this batch failed (50 %)'),
      });
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(1800);
    });
  });

  it('a device that fails under the limit is tried again after the last batch, as often as its policy says', async () => {
    const world = {
      batches: [10],
      rules: { retryAttempts: 3, retryDelaySeconds: 900 },
      retried: 1,
      health: () => ({ completed: 9, failed: 1 }),
      overall: () => ({ completed: 10 }),
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '10 of 10 healthy' });
      expect(fake.of('retryDevices')).toHaveLength(1);
      expect(fake.of('retryDevices')[0]?.atSeconds).toBeGreaterThanOrEqual(900);
    });
  });

  it('an empty plan completes and says why', async () => {
    await rig.tell({ batches: [] }, async ({ handle }) => {
      expect(await handle.result()).toEqual({
        status: 'completed',
        reason: 'no device that the policy selects runs this image',
      });
    });
  });

  it("a device's own word that comes as a signal is recorded, then judged", async () => {
    await rig.tell({ batches: [1] }, async ({ handle, fake, env }) => {
      await env.sleep('5s');
      await handle.signal('health', { device: '6f1c2d1e-0000-4000-8000-000000000001', status: 'healthy' });
      await handle.result();
      expect(fake.of('recordHealth')[0]?.input).toEqual({
        words: [{ device: '6f1c2d1e-0000-4000-8000-000000000001', status: 'healthy', message: null }],
      });
    });
  });

  it('all devices taken over by a newer rollout end it as superseded', async () => {
    await rig.tell({ batches: [5], health: () => ({ superseded: 5 }) }, async ({ handle }) => {
      expect(await handle.result()).toMatchObject({ status: 'superseded' });
    });
  });
});

describe('native cancellation in Temporal', () => {
  it('ends the rollout as cancelled, in the database too', async () => {
    await rig.tell(updating, async ({ handle, fake, env }) => {
      await env.sleep('10s');
      await handle.cancel();
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: 'cancelled in Temporal' });
      expect(fake.of('finishRollout')).toHaveLength(1);
    });
  });
});

describe('a newer rollout', () => {
  it('that takes the devices of the batches to come ends the older one in its delay, not after it', async () => {
    let taken = false;
    await rig.tell(
      { batches: [1, 9], overall: () => (taken ? { completed: 1, superseded: 9 } : { completed: 1, pending: 9 }) },
      async ({ handle, fake, env }) => {
        await env.sleep('200s');
        taken = true;
        await handle.signal('health', {});
        expect(await handle.result()).toMatchObject({ status: 'superseded' });
        expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(1000);
        expect(fake.of('applyBatch')).toHaveLength(1);
      },
    );
  });

  it('a pause says why, in the status and in the details', async () => {
    await rig.tell({ batches: [1, 9] }, async ({ handle, env }) => {
      await env.sleep('200s');
      await handle.signal('pause', { reason: 'looks odd', actor: 'ana' });
      const status = await handle.query<{ waiting_for: string }>('status');
      expect(status.waiting_for).toContain('paused because: looks odd');
      await handle.signal('resume');
      await handle.result();
    });
  });
});
