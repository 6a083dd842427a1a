import type { Freezes } from './freeze';
import { windowState, type MaintenanceWindow, type WindowState } from './windows';

/** Devices of a batch not yet told, by what decides whether they may be told now. */
export interface WaitingGroup {
  /** Their zone; UTC for a device without one. */
  zone: string;
  /** They belong to a fleet that is frozen. */
  frozenFleet: string | null;
  devices: number;
}

/** Why devices that are due are not told yet; plain data, it goes through the workflow's history. */
export interface Held {
  kind: 'window' | 'freeze';
  devices: number;
  /** ISO 8601; null where no window will ever open. */
  until: string | null;
  reason: string | null;
}

export interface WritePermit {
  /** Zones in which devices may be told; null for all. */
  zones: string[] | null;
  frozenFleets: string[];
  /** True when no device at all may be told now. */
  nobody: boolean;
  /** What holds the others back, the part that ends first. */
  held: Held | null;
}

/** Who of the devices that are due may be told at `nowMs`. A freeze comes before a window. */
export function writePermit(
  windows: readonly MaintenanceWindow[],
  groups: readonly WaitingGroup[],
  freezes: Freezes,
  nowMs: number,
): WritePermit {
  const waiting = groups.reduce((sum, group) => sum + group.devices, 0);
  const frozenFleets = freezes.fleets.map((freeze) => freeze.fleetId);
  if (freezes.whole !== null) {
    const { reason, endsAt: until } = freezes.whole;
    return { zones: [], frozenFleets, nobody: true, held: { kind: 'freeze', devices: waiting, until, reason } };
  }
  const zones = windows.length === 0 ? null : new Set<string>();
  const reasons: Held[] = [];
  let mayBeTold = 0;
  for (const { zone, frozenFleet, devices } of groups) {
    const state = windowOf(windows, zone, nowMs);
    if (state.open) zones?.add(zone);
    const freeze = freezes.fleets.find((one) => one.fleetId === frozenFleet);
    if (freeze !== undefined) {
      reasons.push({ kind: 'freeze', devices, until: freeze.endsAt, reason: freeze.reason });
    } else if (state.open) {
      mayBeTold += devices;
    } else {
      const until = state.changesAt === null ? null : new Date(state.changesAt).toISOString();
      reasons.push({ kind: 'window', devices, until, reason: state.problem });
    }
  }
  return {
    zones: zones === null ? null : [...zones],
    frozenFleets,
    nobody: mayBeTold === 0 && reasons.length > 0,
    held: firstToEnd(reasons),
  };
}

/** A zone that is not known keeps its own devices waiting, not the others. */
function windowOf(
  windows: readonly MaintenanceWindow[],
  zone: string,
  nowMs: number,
): WindowState & { problem: string | null } {
  try {
    return { ...windowState(windows, zone, nowMs), problem: null };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { open: false, changesAt: null, problem: error.message };
  }
}

/** All that wait for the same kind of end, with the moment at which the first of them may go. */
function firstToEnd(reasons: readonly Held[]): Held | null {
  const [first] = [...reasons].sort((a, b) => compareEnds(a.until, b.until));
  if (first === undefined) return null;
  const alike = reasons.filter((reason) => reason.kind === first.kind);
  return { ...first, devices: alike.reduce((sum, reason) => sum + reason.devices, 0) };
}

/** Never comes last. */
function compareEnds(a: string | null, b: string | null): number {
  return (a === null ? Infinity : Date.parse(a)) - (b === null ? Infinity : Date.parse(b));
}
