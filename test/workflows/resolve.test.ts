import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ResolveResult } from '../../src/activities/resolve';
import { around, DRIFT_S } from '../support/drift';
import { timersMs } from '../support/workflow-history';
import { createWorkflowRig, type Story, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const DAY = 86_400;
const goesOn: ResolveResult = { outcome: 'goes_on', said: 'the tag points to sha256:abc, for linux/amd64' };
const absent: ResolveResult = { outcome: 'absent', reason: 'redis:7.5 is not at its registry: push it again' };
const batches = [5];

async function oldEnoughIn(seconds: number, tell: (story: Story, oldEnoughAtMs: number) => Promise<void>) {
  const ms = (await rig.env.currentTimeMs()) + seconds * 1000;
  const input = { oldEnoughAt: new Date(ms).toISOString() };
  await rig.tell({ batches }, (story) => tell(story, ms), { type: 'rollout', input });
}

describe('what the registry says', () => {
  it('is asked for once, before the plan, and shown in the status', async () => {
    await rig.tell({ batches, resolves: () => goesOn }, async ({ handle, fake }) => {
      await handle.result();
      expect(await handle.query('status')).toMatchObject({ resolved: goesOn.said });
      const names = fake.calls.map((call) => call.name);
      expect(names.filter((name) => name === 'resolvePush')).toHaveLength(1);
      expect(names.indexOf('resolvePush')).toBeLessThan(names.indexOf('planRollout'));
    });
  });

  it('is not asked for again in each turn of a queue', async () => {
    await rig.tell({ batches, queuedUntil: DAY }, async ({ handle, fake }) => {
      await handle.result();
      expect(fake.of('planRollout').length).toBeGreaterThan(1);
      expect(fake.of('resolvePush')).toHaveLength(1);
    });
  });

  it('a tag that is there a moment later is rolled out', async () => {
    await rig.tell({ batches, resolves: (asked) => (asked < 3 ? absent : goesOn) }, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('resolvePush')).toHaveLength(3);
      expect(timersMs(await handle.fetchHistory()).slice(0, 2)).toEqual([5000, 10_000]);
    });
  });

  it('a tag that is not there after half a minute ends it: nobody is told, nothing is held, the reason is said', async () => {
    await rig.tell({ batches, resolves: () => absent }, async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: absent.reason });
      expect(fake.of('resolvePush')).toHaveLength(4);
      expect(timersMs(await handle.fetchHistory())).toEqual([5000, 10_000, 15_000]);
      expect(fake.of('planRollout')).toEqual([]);
      expect(fake.of('finishRollout')).toMatchObject([
        { input: { status: 'cancelled', reason: absent.reason, actor: 'fleetwave', hold: false, error: null } },
      ]);
    });
  });

  it('an image without a platform that is asked for ends it before the plan', async () => {
    const unfit: ResolveResult = { outcome: 'unfit', reason: 'redis:7.5 is not made for linux/arm64' };
    await rig.tell({ batches, resolves: () => unfit }, async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: unfit.reason });
      expect(fake.of('resolvePush')).toHaveLength(1);
      expect(fake.of('planRollout')).toEqual([]);
      expect(fake.of('finishRollout')).toMatchObject([{ input: { hold: false } }]);
    });
  });

  it('where the question fails again and again it is unknown, after a bounded time, and goes on', async () => {
    const away = () => Promise.reject(new Error('the database is away'));
    await rig.tell({ batches, resolves: away }, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('resolvePush')).toHaveLength(5);
      expect(fake.of('planRollout')[0]?.atSeconds).toBeLessThan(180);
      const said = 'not checked, which stops nothing: the registry could not be asked (the database is away)';
      expect(await handle.query('status')).toMatchObject({ resolved: said });
      const events = fake.of('recordProgress').flatMap((call) => (call.input as { events: object[] }).events);
      expect(events).toContainEqual(expect.objectContaining({ type: 'rollout.resolved', reason: said }));
    });
  });

  it('a cancel does not wait for its answer', async () => {
    let answer: (result: ResolveResult) => void = () => undefined;
    const pending = new Promise<ResolveResult>((resolve) => (answer = resolve));
    // Only when it is being ended; the test server's clock stands still for good where an activity outlives its workflow.
    const whileFinishing = () => {
      answer(goesOn);
      return Promise.resolve();
    };
    await rig.tell({ batches, resolves: () => pending, whileFinishing }, async ({ handle, fake }) => {
      await handle.signal('cancel', { reason: 'not this one' });
      expect(await handle.result()).toEqual({ status: 'cancelled', reason: 'not this one' });
      expect(fake.of('planRollout')).toEqual([]);
    });
  });
});

describe('a push that is not old enough yet', () => {
  const waitsFor = 'the push to be as old as its policy asks ("min_age_seconds")';

  it('is scheduled until it is, says until when, and neither advance nor the news of others wake it', async () => {
    await oldEnoughIn(3 * DAY, async ({ handle, fake, env }, oldEnoughAtMs) => {
      await env.sleep('1d');
      const status = await handle.query<{ until: string }>('status');
      expect(status).toMatchObject({ status: 'scheduled', waiting_for: waitsFor });
      expect(Math.abs(Date.parse(status.until) - oldEnoughAtMs)).toBeLessThan(1000);
      await handle.signal('advance');
      await handle.signal('health', {});
      await handle.signal('approve');
      await env.sleep('1d');
      expect([fake.of('resolvePush'), fake.of('planRollout')]).toEqual([[], []]);
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      // `atSeconds` counts from the first activity, which records the wait.
      expect(fake.of('resolvePush')[0]?.atSeconds).toEqual(around(3 * DAY));
      const events = fake.of('recordProgress').flatMap((call) => (call.input as { events: object[] }).events);
      expect(events).toContainEqual(expect.objectContaining({ type: 'rollout.scheduled', reason: waitsFor }));
    });
  });

  it('that is old enough already does not wait', async () => {
    await oldEnoughIn(-5, async ({ handle, fake }) => {
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.calls[0]).toMatchObject({ name: 'resolvePush', atSeconds: 0 });
    });
  });

  it('gives way to a newer push of the tag', async () => {
    await oldEnoughIn(3 * DAY, async ({ handle, fake, env }) => {
      await env.sleep('1d');
      await handle.signal('supersede', { rolloutId: 'another' });
      expect(await handle.result()).toMatchObject({ status: 'superseded', reason: expect.stringContaining('another') });
      expect([fake.of('resolvePush'), fake.of('planRollout')]).toEqual([[], []]);
    });
  });

  it.each(['cancel', 'rollback'])('%s ends it with nobody told', async (command) => {
    await oldEnoughIn(3 * DAY, async ({ handle, fake, env }) => {
      await env.sleep('1h');
      await handle.signal(command);
      await handle.result();
      expect([fake.of('planRollout'), fake.of('applyBatch')]).toEqual([[], []]);
      expect(fake.of('finishRollout')).toHaveLength(1);
    });
  });

  it('waits longer by the length of a pause, as every clock does', async () => {
    await oldEnoughIn(2 * DAY, async ({ handle, fake, env }) => {
      await env.sleep('1d');
      await handle.signal('pause');
      await env.sleep('5d');
      expect(await handle.query('status')).toMatchObject({ status: 'paused', until: null });
      await handle.signal('resume');
      expect(await handle.result()).toMatchObject({ status: 'completed' });
      expect(fake.of('resolvePush')[0]?.atSeconds).toBeGreaterThanOrEqual(7 * DAY - DRIFT_S);
    });
  });
});
