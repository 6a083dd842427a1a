import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StatusCounts } from '../../src/domain/verdict';
import { comesTo } from '../support/comes-to';
import type { FakeActivities, FakeWorld, Moment } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const verdicts = (fake: FakeActivities): unknown[] =>
  fake.of('closeBatch').map(({ input }) => {
    const { batch, status, rule } = input as Record<string, unknown>;
    return [batch, status, rule];
  });
/** Half of the first batch fails. */
const failing = (onFailure: 'pause' | 'continue' | 'rollback_failed'): FakeWorld => ({
  batches: [10, 90],
  rules: { onFailure, batchDelaySeconds: 0 },
  health: ({ batch }, planned) => (batch === 1 ? { completed: 5, failed: 5 } : { completed: planned }),
});

describe('on_failure rollback_failed', () => {
  it('tells nobody any more, waits for those on their way, and puts back only those that failed, under a hold', async () => {
    const world: FakeWorld = {
      ...failing('rollback_failed'),
      health: ({ seconds }: Moment) =>
        seconds < 2000 ? { failed: 5, updating: 5 } : { failed: 5, completed: 4, timed_out: 1 },
      overall: ({ seconds }: Moment) =>
        seconds < 2000
          ? { failed: 5, updating: 5, pending: 90 }
          : { failed: 5, completed: 4, timed_out: 1, pending: 90 },
      rollback: () => ({ completed: 4, rolled_back: 6, pending: 90 }),
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('10m');
      expect(await handle.query('status')).toMatchObject({
        waiting_for: 'health of 5 devices, before those that failed are put back',
      });
      expect(fake.of('restoreDevices')).toHaveLength(0);
      expect(await handle.result()).toEqual({
        status: 'failed',
        reason: 'of the devices that failed, 6 are back on the previous image; 4 healthy keep the new one',
      });
      const [restored] = fake.of('restoreDevices');
      expect(restored?.input).toMatchObject({ scope: 'failed' });
      expect(restored?.atSeconds).toBeGreaterThanOrEqual(2000);
      expect(fake.of('applyBatch')).toHaveLength(1);
      expect(fake.of('finishRollout')[0]?.input).toMatchObject({ status: 'failed', hold: true });
    });
  });
});

describe('on_failure pause', () => {
  it('pauses once, with the reason; a resume goes on, and no rule fires again for the same devices', async () => {
    await rig.tell(failing('pause'), async ({ handle, fake, env }) => {
      await env.sleep('3d');
      expect(await handle.query('status')).toMatchObject({
        status: 'paused',
        waiting_for: expect.stringContaining('5 of 10 devices of this batch failed (50 %)'),
        until: null,
      });
      expect(fake.of('applyBatch')).toHaveLength(1);
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '95 of 100 healthy, 5 failed' });
      expect(verdicts(fake)).toContainEqual([1, 'failed', 'failure_rate']);
      expect(verdicts(fake).at(-1)).toEqual([2, 'passed', 'all_settled']);
    });
  });

  it('leaves the rollback to whoever looks at it', async () => {
    await rig.tell(failing('pause'), async ({ handle, fake, env }) => {
      await env.sleep('1h');
      await handle.signal('rollback');
      expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
      expect(fake.of('restoreDevices')[0]?.input).toMatchObject({ scope: 'all' });
    });
  });

  it('a retry that was asked for in the pause is judged before anybody else is told', async () => {
    let again = { completed: 5, failed: 5 } as StatusCounts;
    const world: FakeWorld = {
      batches: [10, 90],
      retried: 5,
      rules: { onFailure: 'pause', batchDelaySeconds: 0 },
      health: ({ batch }, planned) => (batch === 1 ? again : { completed: planned }),
      overall: () => (again.completed === 10 ? { completed: 100 } : { ...again, pending: 90 }),
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('1h');
      await handle.signal('retry');
      await comesTo(handle, {
        waiting_for: expect.stringContaining('resume (then: the failed devices are told again, then what comes after'),
      });
      again = { completed: 5, scheduled: 5 };
      await handle.signal('resume');
      await comesTo(handle, { waiting_for: 'health of 5 devices, before anybody else is told' });
      expect(fake.of('applyBatch')).toHaveLength(1);
      again = { completed: 10 };
      await handle.signal('health', {});
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(verdicts(fake)).toEqual([
        [1, 'failed', 'failure_rate'],
        [1, 'passed', 'all_settled'],
        [2, 'passed', 'all_settled'],
      ]);
    });
  });

  it.each([
    { those: 'some of the only batch', batches: [10], failing: 5, pending: 0 },
    { those: 'a small first batch', batches: [2, 2], failing: 2, pending: 2 },
  ])('pauses again when $those fail again, and tells nobody else', async ({ batches, failing, pending }) => {
    const [first = 0] = batches;
    let tries = 1;
    const look = () => ({ completed: first - failing, [tries === 2 ? 'updating' : 'failed']: failing }) as StatusCounts;
    const world: FakeWorld = {
      batches,
      retried: failing,
      rules: { onFailure: 'pause', batchDelaySeconds: 0 },
      health: ({ batch }, planned) => (batch === 2 ? { completed: planned } : look()),
      overall: ({ batch }) => ({ ...look(), pending: batch === 2 ? 0 : pending }),
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await env.sleep('1h');
      tries = 2;
      await handle.signal('retry');
      await handle.signal('resume');
      await until(() => Promise.resolve(fake.of('retryDevices').length > 0));
      await comesTo(handle, { status: 'in_progress' });
      tries = 3;
      await handle.signal('health', {});
      await comesTo(handle, { status: 'paused' });
      expect(fake.of('retryDevices')).toHaveLength(1);
      expect(fake.of('applyBatch')).toHaveLength(1);
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });
});

describe('on_failure continue', () => {
  it('goes on to the end, and records that the batch failed', async () => {
    await rig.tell(failing('continue'), async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '95 of 100 healthy, 5 failed' });
      expect(verdicts(fake)).toContainEqual([1, 'failed', 'failure_rate']);
      expect(fake.of('applyBatch').map(({ input }) => (input as { batch: number }).batch)).toContain(2);
      expect(fake.of('restoreDevices')).toHaveLength(0);
      expect(fake.of('finishRollout')[0]?.input).toMatchObject({ hold: false });
    });
  });
});
