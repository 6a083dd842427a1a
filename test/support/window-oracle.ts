import { weekdays, type MaintenanceWindow, type Weekday } from '../../src/domain/windows';

export const MINUTE_MS = 60_000;
export const DAY_MS = 24 * 60 * MINUTE_MS;

/** What a clock on the wall shows. */
interface WallTime {
  day: number;
  minute: number;
}

/**
 * The slow way to the same answer, for tests: a clock on the wall per zone, read minute by minute with Intl, and no
 * arithmetic of offsets at all. It looks `days` ahead; what it has read it keeps, for the next question.
 */
export function windowOracle(days: number) {
  const walls = new Map<string, (minute: number) => WallTime>();

  function wallOf(zone: string): (minute: number) => WallTime {
    const wall = walls.get(zone) ?? wallReader(zone);
    walls.set(zone, wall);
    return wall;
  }

  return function ask(windows: readonly MaintenanceWindow[], deviceZone: string | null, nowMs: number) {
    const clocks = windows.map((window) => ({
      shows: wallTest(window),
      wall: wallOf(window.timezone === 'device' ? (deviceZone ?? 'UTC') : window.timezone),
    }));
    const isOpen = (minute: number) => clocks.some(({ shows, wall }) => shows(wall(minute)));
    const now = Math.floor(nowMs / MINUTE_MS);
    const end = now + days * 24 * 60;
    const open = isOpen(now);
    let minute = now + 1;
    while (minute < end && isOpen(minute) === open) minute += 1;
    return { open, changesAt: minute < end ? minute * MINUTE_MS : null, seenUntil: end * MINUTE_MS };
  };
}

function wallReader(zone: string): (minute: number) => WallTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
  const read = new Map<number, WallTime>();
  return (minute) => {
    const known = read.get(minute);
    if (known !== undefined) return known;
    // "Sat 02:30", in some versions "Sat, 02:30".
    const text = format.format(minute * MINUTE_MS);
    const day = weekdays.indexOf(text.slice(0, 3).toLowerCase() as Weekday);
    const wall = { day, minute: minuteOf(text.slice(-5)) };
    read.set(minute, wall);
    return wall;
  };
}

/** Whether a window is open by what a wall clock shows; its words are read once, since the answer is wanted for each minute. */
function wallTest(window: MaintenanceWindow): (wall: WallTime) => boolean {
  const [from, to] = [minuteOf(window.from), minuteOf(window.to)];
  const starts = weekdays.map((day) => window.days.includes(day));
  if (from < to) return ({ day, minute }) => starts[day]! && minute >= from && minute < to;
  return ({ day, minute }) => (starts[day]! && minute >= from) || (starts[(day + 6) % 7]! && minute < to);
}

function minuteOf(clock: string): number {
  const [hour, minute] = clock.split(':').map(Number);
  return hour! * 60 + minute!;
}
