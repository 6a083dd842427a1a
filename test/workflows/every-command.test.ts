import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandEffect, commands, type Command } from '../../src/domain/commands';
import { finalStatuses, isFinal, rolloutStatuses, type RolloutStatus } from '../../src/domain/rollout-states';
import { callsOf, commandEvents, EXCLUDED, playCells, sendTo, story, type Cell } from '../support/command-cells';
import { activeStatuses, waysToEnd, type ActiveStatus } from '../support/rollout-in-state';
import { createWorkflowRig, type WorkflowRig } from '../support/workflow-rig';

let rig: WorkflowRig;
let cells: Cell[] = [];
const executed = new Set<string>();
beforeAll(async () => {
  rig = await createWorkflowRig();
  cells = await playCells(rig);
  // Sixty rollouts at once: 40 s on an idle machine.
}, 600_000);
afterAll(() => rig.close());

function cellOf(status: ActiveStatus, command: Command | null): Cell {
  const cell = cells.find((one) => one.status === status && one.command === command);
  if (cell === undefined) throw new Error(`${command} was not sent to a rollout that is ${status}`);
  executed.add(`${command} ${status}`);
  return cell;
}

const told = (snapshot: Cell['first']): unknown[] => callsOf(snapshot, 'applyBatch').map(({ input }) => input);
const ending = (snapshot: Cell['first']): unknown => callsOf(snapshot, 'finishRollout')[0]?.input;

/** What the stated effect of a command looks like, where it has one; `twin` is the same rollout without the command. */
const observations: Readonly<Record<Command, (cell: Cell, twin: Cell) => void>> = {
  pause({ before, first, later, released }, twin) {
    expect(first.view).toMatchObject({ status: 'paused', waiting_for: expect.stringContaining('resume') });
    expect([later.view.status, told(later)]).toEqual(['paused', told(before)]);
    expect(isFinal(twin.later.view.status)).toBe(true);
    expect(released.view.status).not.toBe('paused');
  },
  resume({ first, later }, twin) {
    expect([first.view.status, later.view.status, twin.later.view.status]).toEqual([
      'in_progress',
      'completed',
      'paused',
    ]);
  },
  cancel({ status, before, first, later }) {
    expect(first.view.status).toBe('cancelled');
    expect(ending(first)).toMatchObject({ status: 'cancelled', hold: status === 'rolling_back' });
    expect([told(later), callsOf(later, 'restoreDevices')]).toEqual([told(before), callsOf(before, 'restoreDevices')]);
  },
  rollback({ before, first, later }) {
    expect(first.view.status).toBe(before.view.counts['attempted'] === 0 ? 'rolled_back' : 'rolling_back');
    expect(later.view.status).toBe('rolled_back');
    expect([told(later), callsOf(later, 'restoreDevices')]).toEqual([told(before), [expect.anything()]]);
    expect(ending(later)).toMatchObject({ status: 'rolled_back', hold: true });
  },
  approve({ before, first, later }, twin) {
    expect([told(before).length, told(first).length]).toEqual([0, 1]);
    expect([later.view.status, twin.later.view.status]).toEqual(['completed', 'cancelled']);
  },
  reject({ first, later }) {
    expect(first.view.status).toBe('cancelled');
    expect(ending(first)).toMatchObject({ reason: expect.stringContaining('approval refused') });
    expect(told(later)).toHaveLength(0);
  },
  advance({ before, first, later }, twin) {
    expect(callsOf(first, 'closeBatch').length).toBe(callsOf(before, 'closeBatch').length + 1);
    const next = [later, twin.later].map((one) => callsOf(one, 'applyBatch')[1]?.atSeconds ?? 0);
    expect(next[1]! - next[0]!).toBeGreaterThan(2000);
    expect(story(later).filter((line) => line.startsWith('closeBatch'))).toHaveLength(2);
  },
  retry({ status, first, second, later, released }) {
    const calls = [first, second, later, released].map((one) => callsOf(one, 'retryDevices').length);
    expect(calls).toEqual(status === 'paused' ? [0, 0, 0, 2] : [1, 2, 2, 2]);
    const shown = status === 'paused' ? released : second;
    expect(shown.details).toContain('retry: 1 device told again');
    expect(shown.details).toContain('retry: no failed device could be told again');
  },
  exclude({ status, before, first, second, later }) {
    expect(first.view.status).toBe(before.view.status);
    const calls = [first, second, later].map((one) => callsOf(one, 'excludeDevices'));
    expect(calls.map(({ length }) => length)).toEqual(status === 'pending' ? [0, 0, 2] : [1, 2, 2]);
    for (const { input } of calls[2]!) expect(input).toMatchObject({ devices: [EXCLUDED], actor: 'temporal' });
    if (status === 'pending') return;
    expect(first.details).toContain('exclude: 1 device left out, 0 devices put back');
    expect(second.details).toContain('exclude: 0 devices left out, 0 devices put back; 1 device had no part');
  },
};

const said = (command: Command, status: RolloutStatus): { type: string; data: object } => {
  const cell = commandEffect(command, status);
  const effect = cell.applies ? cell.effect : `changes nothing: ${cell.why}`;
  return { type: `command.${command}`, data: expect.objectContaining({ applied: cell.applies, effect }) };
};

describe.each(activeStatuses)('a rollout that is %s', (status) => {
  it('is so before anything is sent', () => {
    expect(cellOf(status, null).before.view.status).toBe(status);
  });

  it.each(commands)('%s does what the table says, and says so; twice is harmless', (command) => {
    const cell = cellOf(status, command);
    const twin = cellOf(status, null);
    const { before, first, second, later, secondRefused } = cell;
    expect(before.view.status).toBe(status);
    expect(commandEvents(first).at(-1)).toMatchObject(said(command, status));
    expect(first.details).toContain(`${command} (temporal): ${String(commandEvents(first).at(-1)?.data.effect)}`);
    expect(secondRefused).toBe(isFinal(first.view.status));
    const events = commandEvents(second).slice(commandEvents(first).length);
    expect(events).toEqual(secondRefused ? [] : [expect.objectContaining(said(command, first.view.status))]);

    if (commandEffect(command, status).applies) {
      observations[command](cell, twin);
      return;
    }
    for (const [mine, its] of [
      [first, twin.first],
      [second, twin.second],
      [later, twin.later],
    ] as const) {
      expect(story(mine)).toEqual(story(its));
      expect(mine.view).toEqual({
        ...its.view,
        rollout_id: mine.view.rollout_id,
        since: mine.view.since,
        until: mine.view.until,
      });
    }
  });
});

describe.each(finalStatuses)('a rollout that has ended as %s', (status) => {
  it('hears nothing any more; the table answers for it, and knows who may still be put back', async () => {
    const { world, bring } = waysToEnd[status];
    await rig.tell(world, async ({ handle }) => {
      await rig.env.sleep('10s');
      await bring?.(handle);
      expect(await handle.result()).toMatchObject({ status });
      for (const command of commands) {
        expect([await sendTo(handle, command), await sendTo(handle, command)]).toEqual([false, false]);
        const effect = commandEffect(command, status);
        executed.add(`${command} ${status}`);
        if (command === 'rollback' && status !== 'rolled_back')
          expect(effect).toEqual({ applies: true, effect: expect.stringContaining('as a workflow of its own') });
        else expect(effect).toEqual({ applies: false, why: `the rollout has ended (${status})` });
      }
    });
  });
});

it('no cell is missing', () => {
  for (const status of activeStatuses) executed.delete(`null ${status}`);
  expect(executed.size).toBe(commands.length * rolloutStatuses.length);
});
