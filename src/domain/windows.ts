/** Maintenance windows: when a device's target state may be written. */

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/** Open while the local clock shows a time in [from, to); over midnight where `to` is not after `from`. */
export interface MaintenanceWindow {
  /** The local days on which it starts. */
  days: Weekday[];
  /** `HH:MM`, local. */
  from: string;
  to: string;
  /** An IANA zone, or `device` for that of each device. */
  timezone: string;
}

export interface WindowState {
  open: boolean;
  /** Milliseconds since the epoch at which it opens, or closes; null where it never does. */
  changesAt: number | null;
}

/** Whether target state may be written for a device in `deviceZone` (null: UTC) at a moment. No window: always. */
export function windowState(
  windows: readonly MaintenanceWindow[],
  _deviceZone: string | null,
  _nowMs: number,
): WindowState {
  if (windows.length === 0) return { open: true, changesAt: null };
  throw new Error('not built yet');
}
