import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { WorkflowNotFoundError } from '@temporalio/client';
import fc from 'fast-check';
import { commands } from '../../src/domain/commands';
import { isFinal } from '../../src/domain/rollout-states';
import type { RolloutStatusView } from '../../src/workflows/messages';
import type { FakeActivities, FakeWorld } from '../support/fake-activities';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
beforeAll(async () => {
  rig = await createWorkflowRig();
});
afterAll(() => rig.close());

const DAY = 86_400;
/** Every kind of wait there is: a queue, an approval, a soak, a delay, a deadline, offline devices, a rollback. */
const world: FakeWorld = {
  batches: [5, 5],
  approvals: [false, true],
  queuedUntil: 600,
  retried: 1,
  neverBack: 1,
  rules: { soakSeconds: 600, catchUpHours: 0.2, maxFailureRate: 0.5 },
  health: ({ seconds, soakSeconds }) =>
    seconds < soakSeconds ? { health_checking: 4, failed: 1 } : { completed: 4, failed: 1 },
  soakDue: ({ seconds, soakSeconds }) => (seconds < soakSeconds ? soakSeconds - seconds : null),
  rollback: ({ deadlinePassed }) => (deadlinePassed ? { rollback_failed: 1, rolled_back: 4 } : { rolling_back: 5 }),
};

const payload = fc.constantFrom<unknown>(
  ...[undefined, null, 7, 'now', true, [], [1, 2], {}, { reason: 5, actor: { a: 1 } }, { to: 'all' }, { to: 'none' }],
  ...[{ reason: 'x'.repeat(100_000) }, { devices: 'x' }, { devices: [1, null, 'x'] }, { actor: '', reason: '<b>`_*' }],
  { devices: ['6f1c2d1e-0000-4000-8000-000000000001'] },
);
/** No empty name: a Temporal server refuses it (this one does not, and the SDK then fails the task for ever). */
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<string>(...commands) },
  { weight: 1, arbitrary: fc.constantFrom('Pause', 'stop', ' ', 'toString', '__proto__', 'resume ', 'x'.repeat(900)) },
);
/** Silence too, so that words come at different times to different rollouts. */
const word = fc.option(fc.record({ name, payload }), { freq: 2, nil: null });
const SEQUENCES = 25;
const ROUNDS = 8;
const sequence = fc.array(word, { minLength: ROUNDS, maxLength: ROUNDS }).filter((words) => heardIn(words) >= 3);
const times = fc.array(fc.constantFrom(0, 1, 30, 700, 3600, DAY), { minLength: ROUNDS, maxLength: ROUNDS });

function heardIn(words: readonly unknown[]): number {
  return words.filter((one) => one !== null).length;
}

function commandEvents(fake: FakeActivities): string[] {
  return fake
    .of('recordProgress')
    .flatMap(({ input }) => (input as { events: { type: string }[] }).events.map(({ type }) => type))
    .filter((type) => type.startsWith('command.'));
}

/** They share one clock: what a person has to release is released, then each needs no more than its own times. */
it('whatever is said to them, in whatever order, they end, and each word has left one event', async () => {
  const seed = Number(process.hrtime.bigint() % 2_147_483_647n);
  const sequences = fc.sample(sequence, { seed, numRuns: SEQUENCES });
  const [waits = []] = fc.sample(times, { seed, numRuns: 1 });
  const heard = sequences.map((): string[] => []);
  await rig.tellMany(
    sequences.map(() => world),
    async (stories) => {
      const say = async (index: number, given: string, ...input: unknown[]): Promise<void> => {
        if (!(await sent(stories[index]!.handle.signal(given, ...input)))) return;
        heard[index]!.push((commands as readonly string[]).includes(given) ? `command.${given}` : 'command.unknown');
      };
      for (const [round, seconds] of waits.entries()) {
        if (seconds > 0) await rig.env.sleep(seconds * 1000);
        for (const [index, words] of sequences.entries()) {
          const now = words[round] ?? null;
          if (now !== null) await say(index, now.name, ...(now.payload === undefined ? [] : [now.payload]));
        }
      }
      for (let hour = 0; hour < 20; hour++) {
        let running = 0;
        for (const [index, { handle }] of stories.entries()) {
          const { status } = await handle.query<RolloutStatusView>('status');
          if (!isFinal(status)) running += 1;
          if (status === 'paused') await say(index, 'resume');
          if (status === 'awaiting_approval') await say(index, 'approve');
        }
        if (running === 0) break;
        await rig.env.sleep('1h');
      }
      for (const [index, { handle, fake }] of stories.entries()) {
        const { status, waiting_for: waitingFor } = await handle.query<RolloutStatusView>('status');
        const seen = { ended: isFinal(status), events: commandEvents(fake), endings: fake.of('finishRollout').length };
        const told = { seed, waits, words: sequences[index], status, waitingFor };
        expect({ ...told, ...seen }).toEqual({ ...told, ended: true, events: heard[index], endings: 1 });
      }
    },
  );
});

/** False when the workflow had ended before. */
async function sent(signalled: Promise<void>): Promise<boolean> {
  try {
    await signalled;
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
