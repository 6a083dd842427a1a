import { isFinal, type FinalStatus, type RolloutStatus } from './rollout-states';

/** What an operator may tell a running rollout; each is a Temporal signal of the same name. */
export const commands = [
  'pause',
  'resume',
  'cancel',
  'rollback',
  'approve',
  'reject',
  'advance',
  'retry',
  'exclude',
] as const;
export type Command = (typeof commands)[number];

/** What a command does now: changes something, or nothing and why. */
export type CommandEffect = { applies: true; effect: string } | { applies: false; why: string };

/** One sentence a command, as the Temporal UI lists it beside the signal's name. */
export const commandDescriptions: Readonly<Record<Command, string>> = {
  pause: 'Write no further target state; devices already told go on and report. All clocks stand still.',
  resume: 'Go on after a pause.',
  cancel: 'Stop here; devices already updated stay updated.',
  rollback: 'Stop and put every device this rollout changed back on its own previous image.',
  approve: 'Open the gate that waits for approval.',
  reject: 'Refuse the approval that is waited for; the rollout ends as cancelled.',
  advance: 'End the current batch\'s delay or soak and go on; with {"to": "all"} the batches that are left become one.',
  retry: "Give this rollout's failed devices another try, under the same rules.",
  exclude: 'With {"devices": ["<uuid>"]}: leave devices out; those already told are put back on their previous image.',
};

type Active = Exclude<RolloutStatus, FinalStatus>;

/** A string is the effect; an object says why nothing happens. One row a command, one cell a state. */
const table: Readonly<Record<Command, Readonly<Record<Active, string | { why: string }>>>> = {
  pause: {
    pending: 'pauses before the first batch',
    awaiting_approval: 'pauses; it can be approved after the resume, and the time to do so stands still',
    scheduled: 'pauses before the next batch',
    in_progress: 'no further device is told; devices already told go on',
    paused: { why: 'it is paused already' },
    rolling_back: { why: 'a rollback is not paused: devices would stay on a release that failed' },
  },
  resume: {
    pending: { why: 'it is not paused' },
    awaiting_approval: { why: 'it is not paused; it waits for approval' },
    scheduled: { why: 'it is not paused' },
    in_progress: { why: 'it is not paused' },
    paused: 'goes on where it was paused',
    rolling_back: { why: 'it is rolling back' },
  },
  cancel: {
    pending: 'ends before any device is told',
    awaiting_approval: 'ends; devices already updated stay updated',
    scheduled: 'ends; devices already updated stay updated',
    in_progress: 'ends; devices already updated stay updated',
    paused: 'ends; devices already updated stay updated',
    rolling_back: 'stops waiting for the rollback; targets already put back stay so',
  },
  rollback: {
    pending: 'ends before any device is told',
    awaiting_approval: 'puts every changed device back',
    scheduled: 'puts every changed device back',
    in_progress: 'puts every changed device back',
    paused: 'puts every changed device back; the pause does not hold it up',
    rolling_back: { why: 'it is rolling back already' },
  },
  approve: {
    pending: { why: 'nothing waits for approval yet' },
    awaiting_approval: 'opens the gate',
    scheduled: { why: 'nothing waits for approval' },
    in_progress: { why: 'nothing waits for approval' },
    paused: { why: 'it is paused; resume it first' },
    rolling_back: { why: 'it is rolling back' },
  },
  reject: {
    pending: { why: 'nothing waits for approval yet' },
    awaiting_approval: 'ends; devices already updated stay updated',
    scheduled: { why: 'nothing waits for approval' },
    in_progress: { why: 'nothing waits for approval' },
    paused: { why: 'it is paused; resume it first' },
    rolling_back: { why: 'it is rolling back' },
  },
  advance: {
    pending: { why: 'no batch has started' },
    awaiting_approval: { why: 'it waits for approval, not for time: approve it' },
    scheduled: {
      why: 'it waits for its window, the end of a freeze or the age of its push, which this command does not change',
    },
    in_progress: "ends the current batch's delay or soak, or the waiting for devices that are offline",
    paused: { why: 'it is paused; resume it first' },
    rolling_back: { why: 'it is rolling back' },
  },
  retry: {
    pending: { why: 'no device was told yet' },
    awaiting_approval: { why: 'it waits for approval: approve it first' },
    scheduled: {
      why: 'it waits for its window, the end of a freeze or the age of its push, before which no device may be told',
    },
    in_progress: 'tells the failed devices again',
    paused: 'tells the failed devices again when it is resumed',
    rolling_back: { why: 'it is rolling back' },
  },
  exclude: {
    pending: 'leaves the devices out once it is planned',
    awaiting_approval: 'leaves the devices out; those already told are put back',
    scheduled: 'leaves the devices out; those already told are put back',
    in_progress: 'leaves the devices out; those already told are put back',
    paused: 'leaves the devices out; those already told are put back',
    rolling_back: { why: 'every changed device is being put back already' },
  },
};

/** What can still be done about a rollout that has ended. */
const afterEnd: Readonly<Record<FinalStatus, string | null>> = {
  completed: 'puts every device that it changed back, as a workflow of its own',
  failed: 'puts every device that it changed back, as a workflow of its own',
  cancelled: 'puts every device that it changed back, as a workflow of its own',
  superseded: 'puts every device that it changed and a newer rollout has not taken back, as a workflow of its own',
  rolled_back: null,
};

/** What `command` does to a rollout in `status`: the one table behind the workflow, the API, the CLI and the docs. */
export function commandEffect(command: Command, status: RolloutStatus): CommandEffect {
  if (isFinal(status)) {
    const effect = command === 'rollback' ? afterEnd[status] : null;
    return effect === null ? { applies: false, why: `the rollout has ended (${status})` } : { applies: true, effect };
  }
  const cell = table[command][status];
  return typeof cell === 'string' ? { applies: true, effect: cell } : { applies: false, why: cell.why };
}

/** The commands that would change something now, for people to choose from. */
export function availableCommands(status: RolloutStatus): Command[] {
  return commands.filter((command) => commandEffect(command, status).applies);
}
