import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HealthCheck } from '../../src/domain/checks';
import type { FakeWorld } from '../support/fake-activities';
import { until } from '../support/outage';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

/** Looks at devices beside the story, on the virtual clock. */
let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const checks: HealthCheck[] = [{ kind: 'container_running' }, { kind: 'tcp', port: 6379, timeoutSeconds: 5 }];

describe('checks that Fleetwave makes', () => {
  it('are looked at while devices are on their way; the news of a look is acted on at once', async () => {
    let settled = false;
    const world: FakeWorld = {
      batches: [10],
      rules: { checks, healthTimeoutSeconds: 86_400 },
      health: (_moment, planned) => (settled ? { completed: planned } : { updating: planned }),
      // After a hundred seconds a look finds that all have settled; no signal tells of it.
      checks: (_looked, seconds) => {
        settled ||= seconds >= 100;
        return settled ? '1: settled' : '1: nothing';
      },
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed', reason: '10 of 10 healthy' });
      // By the timer alone it would have been looked at after a quarter of the time: 21,600 s.
      expect(fake.of('finishRollout')[0]?.atSeconds).toBeLessThan(7200);
    });
  });

  it('leave a history that does not grow with the looks, but for news', async () => {
    const world: FakeWorld = {
      batches: [10],
      rules: { checks, healthTimeoutSeconds: 3600 },
      health: ({ deadlinePassed }, planned) => (deadlinePassed ? { timed_out: planned } : { updating: planned }),
      checks: () => '1: nothing',
    };
    await rig.tell(world, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'rolled_back' });
      expect(fake.of('runChecks').length).toBeGreaterThan(200);
      const { events } = await handle.fetchHistory();
      const scheduled = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'runChecks',
      );
      expect(scheduled.length).toBeLessThan(5);
      expect(events?.length).toBeLessThan(300);
    });
  });

  it('stop when the rollout is cancelled in the middle of them', async () => {
    const world: FakeWorld = {
      batches: [10],
      rules: { checks },
      health: (_moment, planned) => ({ updating: planned }),
      checks: () => '1: nothing',
    };
    await rig.tell(world, async ({ handle, env }) => {
      await env.sleep('30s');
      await handle.signal('cancel');
      expect(await handle.result()).toMatchObject({ status: 'cancelled' });
    });
  });

  it('go on during a pause, and so do the words of devices', async () => {
    const world: FakeWorld = {
      batches: [10],
      rules: { checks, soakSeconds: 0 },
      health: ({ seconds }, planned) => (seconds < 60 ? { updating: planned } : { completed: planned }),
      checks: (looked) => (looked < 5 ? '1: nothing' : '1: settled'),
    };
    await rig.tell(world, async ({ handle, fake, env }) => {
      await until(() => Promise.resolve(fake.of('runChecks').length > 0));
      await handle.signal('pause');
      const before = fake.of('runChecks').length;
      await env.sleep('1h');
      expect(fake.of('runChecks').length).toBeGreaterThan(before);
      expect(await handle.query('status')).toMatchObject({ status: 'paused' });
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
    });
  });

  it.each([
    ['rules without them', { checks: [{ kind: 'container_running' }, { kind: 'custom', name: 'a' }] as HealthCheck[] }],
    ['rules of older releases', {}],
  ])('are never begun under %s', async (_what, rules) => {
    await rig.tell({ batches: [1, 2], rules }, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('runChecks')).toEqual([]);
    });
  });
});

describe('why devices failed', () => {
  it('stands in the verdict, the reason of the rollout and its details', async () => {
    const world: FakeWorld = {
      batches: [10],
      health: () => ({ failed: 3, completed: 7 }),
      causes: '2 ErrImagePull, 1 CrashLoopBackOff',
    };
    await rig.tell(world, async ({ handle, fake }) => {
      const said =
        '3 of 10 devices of this batch failed (30 %), more than the 20 % allowed: 2 ErrImagePull, 1 CrashLoopBackOff';
      expect(await handle.result()).toMatchObject({ status: 'rolled_back', reason: expect.stringContaining(said) });
      expect(fake.of('closeBatch')[0]?.input).toMatchObject({ explanation: said });
      expect(await handle.query('status')).toMatchObject({ failures: world.causes });
    });
  });
});
