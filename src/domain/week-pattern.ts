import { weekdays, type MaintenanceWindow } from './maintenance-window';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-01 was a Thursday; weeks are counted from a Monday. */
const MONDAY_TO_EPOCH_MS = 3 * DAY_MS;

/** Milliseconds since Monday 00:00 of a clock's week, `to` excluded. */
interface Stretch {
  from: number;
  to: number;
}

/** When windows of one time zone are open in the week of its clock: in order, none touching another. */
export type WeekPattern = readonly Stretch[];

/** What a clock shows: open or closed, and the moment of that clock at which this changes; Infinity where it never does. */
export interface PatternState {
  open: boolean;
  until: number;
}

/** The union of windows of one time zone: those that touch or overlap become one. */
export function weekPattern(windows: readonly MaintenanceWindow[]): WeekPattern {
  const stretches = windows.flatMap(stretchesOf).sort((one, other) => one.from - other.from);
  const merged: Stretch[] = [];
  for (const stretch of stretches) {
    const last = merged.at(-1);
    if (last !== undefined && stretch.from <= last.to) last.to = Math.max(last.to, stretch.to);
    else merged.push(stretch);
  }
  return merged;
}

/** `local` is what the clock shows, written as milliseconds since 1970-01-01 00:00 of that clock. */
export function patternAt(pattern: WeekPattern, local: number): PatternState {
  const inWeek = (((local + MONDAY_TO_EPOCH_MS) % WEEK_MS) + WEEK_MS) % WEEK_MS;
  const monday = local - inWeek;
  const first = pattern[0];
  if (first === undefined) return { open: false, until: Infinity };
  const here = pattern.find((stretch) => inWeek < stretch.to) ?? { from: first.from + WEEK_MS, to: first.to + WEEK_MS };
  if (inWeek < here.from) return { open: false, until: monday + here.from };
  if (here.to < WEEK_MS || first.from > 0) return { open: true, until: monday + here.to };
  return { open: true, until: here === first ? Infinity : monday + WEEK_MS + first.to };
}

function stretchesOf(window: MaintenanceWindow): Stretch[] {
  const start = clockMs(window.from);
  const end = clockMs(window.to);
  const length = end > start ? end - start : end - start + DAY_MS;
  return weekdays.flatMap((day, index) => {
    if (!window.days.includes(day)) return [];
    const from = index * DAY_MS + start;
    const to = from + length;
    // Sunday's part beyond midnight is Monday's.
    return to <= WEEK_MS
      ? [{ from, to }]
      : [
          { from, to: WEEK_MS },
          { from: 0, to: to - WEEK_MS },
        ];
  });
}

/** `01:30`, which the API has checked, as milliseconds since midnight. */
function clockMs(clock: string): number {
  return (Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5))) * MINUTE_MS;
}
