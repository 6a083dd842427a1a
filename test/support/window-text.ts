import { nextOpening, weekdays, windowState, type MaintenanceWindow, type Weekday } from '../../src/domain/windows';

export const HOUR_MS = 3_600_000;
export const at = (text: string): number => Date.parse(text);
export const said = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString().slice(0, 16) + 'Z';

/** A window in short: `sat,sun 01:00-05:00 Europe/Berlin` */
export function window(text: string): MaintenanceWindow {
  const [days = '', times = '', timezone = 'device'] = text.split(' ');
  const [from = '', to = ''] = times.split('-');
  return { days: days === 'daily' ? [...weekdays] : (days.split(',') as Weekday[]), from, to, timezone };
}

/** Every time of opening and closing between two moments, as `opens .. closes`. */
export function openTimes(windows: string[], zone: string | null, from: string, until: string): string[] {
  const given = windows.map(window);
  const found: string[] = [];
  let now = at(from);
  for (;;) {
    const opens = nextOpening(given, zone, now);
    if (opens === null || opens >= at(until)) return found;
    const closes = windowState(given, zone, opens).changesAt;
    found.push(`${said(opens)} .. ${said(closes)}`);
    if (closes === null) return found;
    now = closes;
  }
}
