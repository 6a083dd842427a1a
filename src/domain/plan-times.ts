import { windowState, type MaintenanceWindow, type WindowState } from './windows';

/** Devices of a batch that may be told at the same times. */
export interface TimedGroup {
  zone: string;
  fleetId: string | null;
  devices: number;
  /** Of them, those that are left for later when their turn comes. */
  offline: number;
}

export interface TimedBatch {
  number: number;
  delaySeconds: number;
  soakSeconds: number;
  groups: readonly TimedGroup[];
}

/** A freeze that binds, from its start to its end. */
export interface TimedFreeze {
  fleetId: string | null;
  reason: string;
  startsAtMs: number;
  endsAtMs: number;
}

export interface BatchTimes {
  number: number;
  /** When its first devices may be told; null for never. */
  startsAtMs: number | null;
  /** When its last devices may be; null for never. */
  toldByMs: number | null;
  /** What its last devices wait for, once the batch is due. */
  waitsFor: string | null;
}

export interface PlanTimes {
  batches: BatchTimes[];
  /** Null where a batch is never told as a whole. */
  endsAtMs: number | null;
}

/** When a group may be told, and what it waits for until then. */
interface Turn {
  atMs: number | null;
  waitsFor: string | null;
}

/**
 * When each batch may be told at the earliest, were every device healthy as soon as it is: after the batch before has soaked,
 * its own delay, and the freezes and windows of its devices. As in the rollout, a batch waits for the last of its devices,
 * offline or not, and soaks where any of them is there to be told.
 */
export function planTimes(
  batches: readonly TimedBatch[],
  windows: readonly MaintenanceWindow[],
  freezes: readonly TimedFreeze[],
  nowMs: number,
): PlanTimes {
  const stateAt = rememberedStates(windows);
  let endsAtMs: number | null = nowMs;
  const times = batches.map(({ number, delaySeconds, soakSeconds, groups }): BatchTimes => {
    if (endsAtMs === null) return { number, startsAtMs: null, toldByMs: null, waitsFor: null };
    const dueMs = endsAtMs + delaySeconds * 1000;
    const turns = groups.map((group) => turnOf(group, dueMs, freezes, stateAt));
    const [first, last] = [turns.reduce(earlier, never), turns.reduce(later, { atMs: dueMs, waitsFor: null })];
    const soaks = groups.some((group) => group.devices > group.offline);
    endsAtMs = last.atMs === null ? null : last.atMs + (soaks ? soakSeconds * 1000 : 0);
    return { number, startsAtMs: first.atMs, toldByMs: last.atMs, waitsFor: last.waitsFor };
  });
  return { batches: times, endsAtMs };
}

const never: Turn = { atMs: null, waitsFor: null };

function earlier(one: Turn, other: Turn): Turn {
  return (other.atMs ?? Infinity) < (one.atMs ?? Infinity) ? other : one;
}

function later(one: Turn, other: Turn): Turn {
  return (other.atMs ?? Infinity) > (one.atMs ?? Infinity) ? other : one;
}

/** Each turn of the loop goes past the end of a freeze, so that it ends. */
function turnOf(
  { zone, fleetId }: TimedGroup,
  dueMs: number,
  freezes: readonly TimedFreeze[],
  stateAt: (zone: string, atMs: number) => WindowState,
): Turn {
  let turn: Turn = { atMs: dueMs, waitsFor: null };
  while (turn.atMs !== null) {
    const atMs = turn.atMs;
    const freeze = standingLongest(freezes, fleetId, atMs);
    if (freeze !== null) {
      turn = { atMs: freeze.endsAtMs, waitsFor: `freeze (${freeze.reason})` };
      continue;
    }
    const { open, changesAt } = stateAt(zone, atMs);
    if (open) return turn;
    turn = { atMs: changesAt, waitsFor: 'maintenance window' };
  }
  return turn;
}

function standingLongest(freezes: readonly TimedFreeze[], fleetId: string | null, atMs: number): TimedFreeze | null {
  return freezes
    .filter((one) => one.startsAtMs <= atMs && atMs < one.endsAtMs && (one.fleetId === null || one.fleetId === fleetId))
    .reduce<TimedFreeze | null>(
      (longest, one) => (longest === null || one.endsAtMs > longest.endsAtMs ? one : longest),
      null,
    );
}

/** A zone's state is good until it changes: looked up once for all batches of an open window, not once for each. */
function rememberedStates(windows: readonly MaintenanceWindow[]): (zone: string, atMs: number) => WindowState {
  const known = new Map<string, WindowState & { fromMs: number }>();
  return (zone, atMs) => {
    const last = known.get(zone);
    if (last !== undefined && last.fromMs <= atMs && (last.changesAt === null || atMs < last.changesAt)) return last;
    const state = { ...windowState(windows, zone, atMs), fromMs: atMs };
    known.set(zone, state);
    return state;
  };
}
