import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nextOpening, weekdays, windowState, type Weekday } from '../../src/domain/windows';
import { DAY_MS, windowOracle } from '../support/window-oracle';

/** A zone, another that a window may name, and a day about which moments are taken: mostly one on which a clock is changed. */
const places = [
  ['Europe/Berlin', 'America/New_York', '2026-03-29'],
  ['Europe/Berlin', 'America/New_York', '2026-10-25'],
  ['Europe/Berlin', 'UTC', '2027-03-28'],
  ['America/New_York', 'UTC', '2026-03-08'],
  ['America/New_York', 'UTC', '2027-11-07'],
  // Half an hour.
  ['Australia/Lord_Howe', 'Asia/Kolkata', '2026-04-05'],
  ['Australia/Lord_Howe', 'Asia/Kolkata', '2026-10-04'],
  // At a quarter to three, with an offset of quarter hours.
  ['Pacific/Chatham', 'UTC', '2027-04-04'],
  // Two hours.
  ['Antarctica/Troll', 'UTC', '2026-10-25'],
  // Only in Ramadan.
  ['Africa/Casablanca', 'Europe/Berlin', '2026-03-22'],
  // A Friday that was left out.
  ['Pacific/Apia', 'UTC', '2011-12-30'],
] as const;

/** Half a million readings of a clock take 2 s, and several times that on a busy machine. */
const CLOCK_READING_MS = 60_000;
const HORIZON_DAYS = 14;
const oracle = windowOracle(HORIZON_DAYS);

const clock = (hours: fc.Arbitrary<number>) =>
  fc
    .tuple(hours, fc.constantFrom('00', '01', '15', '30', '45', '59'))
    .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`);
/** Half of the times lie where clocks are changed. */
const Clock = fc.oneof(clock(fc.integer({ min: 0, max: 4 })), clock(fc.integer({ min: 0, max: 23 })));

const Case = fc.constantFrom(...places).chain(([zone, other, day]) =>
  fc.record({
    windows: fc.array(
      fc.record({
        days: fc.oneof(fc.constant<Weekday[]>([...weekdays]), fc.subarray([...weekdays], { minLength: 1 })),
        from: Clock,
        to: Clock,
        timezone: fc.constantFrom('device', zone, other),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    deviceZone: fc.constantFrom(zone, zone, zone, other, null),
    nowMs: fc.integer({ min: -2 * DAY_MS, max: 3 * DAY_MS }).map((after) => Date.parse(day) + after),
  }),
);

test(
  'agrees with a clock on the wall that is read minute by minute, about now and about the next change',
  () => {
    fc.assert(
      fc.property(Case, ({ windows, deviceZone, nowMs }) => {
        const slow = oracle(windows, deviceZone, nowMs);
        const { open, changesAt } = windowState(windows, deviceZone, nowMs);
        expect(open).toBe(slow.open);
        if (slow.changesAt === null) expect(changesAt ?? Infinity).toBeGreaterThanOrEqual(slow.seenUntil);
        else expect(changesAt).toBe(slow.changesAt);
        expect(nextOpening(windows, deviceZone, nowMs)).toBe(open ? nowMs : changesAt);
      }),
      { numRuns: 500 },
    );
  },
  CLOCK_READING_MS,
);
