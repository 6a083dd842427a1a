import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Activities } from '../../src/activities';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';
import type { FakeWorld } from '../support/fake-activities';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const world = (registries: FakeWorld['registries']): FakeWorld => ({ batches: [], ...(registries && { registries }) });

test('each registry is looked at; where something came to light it is looked at again two minutes later', async () => {
  const registries = { quiet: 0, busy: 2 };
  await rig.tell(
    world(registries),
    async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({ registries: 2, tags: 2, pending: 2, unknown: 0, failed: 0 });
      const called = (name: keyof Activities) => fake.of(name).map(({ input }) => (input as { host: string }).host);
      // Side by side, so in any order.
      expect(called('reconcileRegistry').sort()).toEqual(['busy', 'quiet']);
      expect(called('confirmFoundPushes')).toEqual(['busy']);
      const look = fake.of('reconcileRegistry').find(({ input }) => (input as { host: string }).host === 'busy');
      const [again] = fake.of('confirmFoundPushes');
      expect((again?.atSeconds ?? 0) - (look?.atSeconds ?? 0)).toBeGreaterThanOrEqual(120);
    },
    { type: 'reconcile', input: {} },
  );
});

test('one registry alone where an operator asks for it, and one that fails keeps no other from being looked at', async () => {
  await rig.tell(
    world({ broken: 'fails', busy: 1, other: 0 }),
    async ({ handle, fake }) => {
      expect(await handle.result()).toEqual({ registries: 1, tags: 1, pending: 1, unknown: 0, failed: 1 });
      expect(fake.of('registriesToReconcile')).toEqual([]);
      expect(fake.of('confirmFoundPushes')).toHaveLength(1);
    },
    { type: 'reconcile', input: { hosts: ['broken', 'busy'] } },
  );
});
