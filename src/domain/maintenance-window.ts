/** What a maintenance window is, in a file that knows no time zones, so that workflow code may say it in words. */

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/** Open while the local clock shows a time in [from, to); over midnight where `to` is not after `from`. */
export interface MaintenanceWindow {
  /** The local days on which it starts. */
  days: Weekday[];
  /** `HH:MM`, local. */
  from: string;
  /** `HH:MM`, local; on the next day where it is not after `from`, so that an equal one stands for 24 hours. */
  to: string;
  /** An IANA zone, or `device` for that of each device. */
  timezone: string;
}

/** `Sat, Sun 01:00-05:00 Europe/Berlin`, in the order of the week, whatever order the days were given in. */
export function describeWindow(window: MaintenanceWindow): string {
  const zone = window.timezone === 'device' ? "in each device's own time zone" : window.timezone;
  const whole = window.from === window.to ? ' (24 hours)' : '';
  return `${describeDays(window.days)} ${window.from}-${window.to}${whole} ${zone}`;
}

function describeDays(days: readonly Weekday[]): string {
  const listed = weekdays.filter((day) => days.includes(day));
  if (listed.length === weekdays.length) return 'Daily';
  return listed.map((day) => day.charAt(0).toUpperCase() + day.slice(1)).join(', ');
}
