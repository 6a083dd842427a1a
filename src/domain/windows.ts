import type { MaintenanceWindow } from './maintenance-window';
import { patternAt, weekPattern, type PatternState, type WeekPattern } from './week-pattern';
import { offsetSpan } from './zone-offsets';

/** Maintenance windows: when a device's target state may be written. See docs/adr/0006-windows.md. */
export { describeWindow, weekdays, type MaintenanceWindow, type Weekday } from './maintenance-window';

export interface WindowState {
  open: boolean;
  /** Milliseconds since the epoch at which it opens, or closes; null where it stays as it is for the next 370 days. */
  changesAt: number | null;
}

/** A year and a few days, so that what depends on daylight saving has come round once. */
const HORIZON_MS = 370 * 24 * 60 * 60 * 1000;

/** The windows of one time zone together. */
interface ZoneWindows {
  zone: string;
  pattern: WeekPattern;
}

/**
 * Whether target state may be written for a device in `deviceZone` (null: UTC) at a moment. No window: always.
 * @throws RangeError for a zone that this runtime does not know.
 */
export function windowState(
  windows: readonly MaintenanceWindow[],
  deviceZone: string | null,
  nowMs: number,
): WindowState {
  if (windows.length === 0) return { open: true, changesAt: null };
  const zones = byZone(windows, deviceZone ?? 'UTC');
  const open = zones.some((one) => stateOf(one, nowMs).open);
  let at = nowMs;
  while (at <= nowMs + HORIZON_MS) {
    const states = zones.map((one) => stateOf(one, at));
    const openOnes = states.filter((state) => state.open);
    if (openOnes.length > 0 !== open) return { open, changesAt: at };
    at = open ? Math.max(...openOnes.map((state) => state.until)) : Math.min(...states.map((state) => state.until));
  }
  return { open, changesAt: null };
}

/** When target state may next be written: `fromMs` itself when it may then, null when never. */
export function nextOpening(
  windows: readonly MaintenanceWindow[],
  deviceZone: string | null,
  fromMs: number,
): number | null {
  const { open, changesAt } = windowState(windows, deviceZone, fromMs);
  return open ? fromMs : changesAt;
}

function byZone(windows: readonly MaintenanceWindow[], deviceZone: string): ZoneWindows[] {
  const zones = new Map<string, MaintenanceWindow[]>();
  for (const window of windows) {
    const zone = window.timezone === 'device' ? deviceZone : window.timezone;
    zones.set(zone, [...(zones.get(zone) ?? []), window]);
  }
  return [...zones].map(([zone, own]) => ({ zone, pattern: weekPattern(own) }));
}

/** What one zone's clock says, and until when at least: a change of its offset is looked at anew. */
function stateOf({ zone, pattern }: ZoneWindows, atMs: number): PatternState {
  const span = offsetSpan(zone, atMs);
  const { open, until } = patternAt(pattern, atMs + span.offsetMs);
  return { open, until: Math.min(until - span.offsetMs, span.until) };
}
