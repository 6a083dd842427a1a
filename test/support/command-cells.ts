import { WorkflowNotFoundError } from '@temporalio/client';
import { commands, type Command } from '../../src/domain/commands';
import type { RolloutStatusView } from '../../src/workflows/messages';
import type { Call } from './fake-activities';
import { activeStatuses, waysInto, type ActiveStatus } from './rollout-in-state';
import type { Story, WorkflowRig } from './workflow-rig';

/** Of `exclude`, which without devices says only that it needs some. */
export const EXCLUDED = '6f1c2d1e-0000-4000-8000-000000000001';

/** What there is to see of a rollout at a moment, from outside and by the activities that it called. */
export interface Snapshot {
  view: RolloutStatusView;
  /** As the Temporal UI shows them, without the escapes of Markdown. */
  details: string;
  calls: Call[];
}

/** A command sent twice to a rollout in a state, or none at all: the twin that shows what would have happened. */
export interface Cell {
  status: ActiveStatus;
  command: Command | null;
  before: Snapshot;
  first: Snapshot;
  second: Snapshot;
  /** Thirty hours later. */
  later: Snapshot;
  /** Ten minutes after a resume that came then, which only one that was paused heeds. */
  released: Snapshot;
  /** Sent the second time, Temporal said that the workflow had ended. */
  secondRefused: boolean;
}

/** Brings a workflow into each state for each command, all on one clock, and sends each command twice. */
export async function playCells(rig: WorkflowRig): Promise<Cell[]> {
  const plays = activeStatuses.flatMap((status) => [null, ...commands].map((command) => ({ status, command })));
  const cells: Cell[] = [];
  const worlds = plays.map(({ status }) => waysInto[status].world);
  await rig.tellMany(worlds, async (stories) => {
    const each = <T>(work: (story: Story, index: number) => Promise<T>): Promise<T[]> => Promise.all(stories.map(work));
    const send = (): Promise<boolean[]> => each(({ handle }, index) => sendTo(handle, plays[index]?.command ?? null));
    const after = async (time: string): Promise<Snapshot[]> => {
      await rig.env.sleep(time);
      return each(snapshot);
    };
    // Between two looks of whoever is queued, at 900 s and 1860 s: the other clocks have an hour, so that nothing else happens.
    await rig.env.sleep('1000s');
    await each(({ handle }, index) => waysInto[plays[index]!.status].bring?.(handle) ?? Promise.resolve());
    const before = await after('2m');
    await send();
    const first = await after('2m');
    const refused = (await send()).map((sent) => !sent);
    const second = await after('2m');
    const later = await after('30h');
    await each(({ handle }) => sendTo(handle, 'resume'));
    const released = await after('10m');
    await each(({ handle }) => sendTo(handle, 'cancel'));
    // One after another: each unlocks the clock, which the server takes from one at a time.
    for (const { handle } of stories) await handle.result();
    for (const [index, play] of plays.entries())
      cells.push({
        ...play,
        ...{ before: before[index]!, first: first[index]!, second: second[index]!, later: later[index]! },
        ...{ released: released[index]!, secondRefused: refused[index]! },
      });
  });
  return cells;
}

/** @returns whether Temporal took it: a workflow that has ended is told nothing. */
export async function sendTo(handle: Story['handle'], command: Command | null): Promise<boolean> {
  if (command === null) return true;
  try {
    await (command === 'exclude' ? handle.signal(command, { devices: [EXCLUDED] }) : handle.signal(command));
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function snapshot({ handle, fake }: Story): Promise<Snapshot> {
  const view = await handle.query<RolloutStatusView>('status');
  const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  return { view, details: currentDetails.replaceAll('\\', ''), calls: [...fake.calls] };
}

/** The activities called, by name and what they are about: equal for two rollouts to which the same happened. */
export function story({ calls }: Snapshot): string[] {
  return calls
    .filter(({ name }) => name !== 'recordProgress')
    .map(({ name, input }) => {
      const { batch, soakSeconds, status } = input as Record<string, unknown>;
      return `${name} ${JSON.stringify({ batch, soakSeconds, status })}`;
    });
}

export function callsOf({ calls }: Snapshot, name: Call['name']): Call[] {
  return calls.filter((call) => call.name === name);
}

export interface CommandEvent {
  type: string;
  data: { applied?: boolean; effect?: string };
}

/** What was recorded of commands, in order. */
export function commandEvents(snapshot: Snapshot): CommandEvent[] {
  return callsOf(snapshot, 'recordProgress')
    .flatMap(({ input }) => (input as { events: CommandEvent[] }).events)
    .filter(({ type }) => type.startsWith('command.'));
}
