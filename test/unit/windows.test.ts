import { describe, expect, test } from '@jest/globals';
import { describeWindow, nextOpening, windowState } from '../../src/domain/windows';
import { offsetSpan } from '../../src/domain/zone-offsets';
import { at, HOUR_MS, said, window } from '../support/window-text';

describe('what is open when', () => {
  // 2026-11-23 is a Monday.
  test.each<[string, string[], string | null, string, boolean, string | null]>([
    ['no window is open for ever', [], 'Europe/Berlin', '2026-11-23T12:00Z', true, null],
    ['before it opens', ['mon 01:00-05:00'], null, '2026-11-23T00:59Z', false, '2026-11-23T01:00Z'],
    ['the minute it opens', ['mon 01:00-05:00'], null, '2026-11-23T01:00Z', true, '2026-11-23T05:00Z'],
    ['the last of its milliseconds', ['mon 01:00-05:00'], null, '2026-11-23T04:59:59.999Z', true, '2026-11-23T05:00Z'],
    ['the minute it closes', ['mon 01:00-05:00'], null, '2026-11-23T05:00Z', false, '2026-11-30T01:00Z'],
    ["the device's own zone", ['mon 01:00-05:00'], 'Asia/Kolkata', '2026-11-22T19:30Z', true, '2026-11-22T23:30Z'],
    ['a zone of its own', ['mon 01:00-05:00 Asia/Tokyo'], 'UTC', '2026-11-22T16:00Z', true, '2026-11-22T20:00Z'],
    ['over midnight, on its day', ['sat 22:00-02:00'], null, '2026-11-28T23:00Z', true, '2026-11-29T02:00Z'],
    ['over midnight, a day later', ['sat 22:00-02:00'], null, '2026-11-29T01:59Z', true, '2026-11-29T02:00Z'],
    ['over midnight, not the day before', ['sat 22:00-02:00'], null, '2026-11-28T01:00Z', false, '2026-11-28T22:00Z'],
    ['from Sunday into Monday', ['sun 22:00-02:00'], null, '2026-11-23T01:00Z', true, '2026-11-23T02:00Z'],
    ['until midnight', ['sun 22:00-00:00'], null, '2026-11-22T23:59Z', true, '2026-11-23T00:00Z'],
    ['24 hours', ['sat 06:00-06:00'], null, '2026-11-29T05:59Z', true, '2026-11-29T06:00Z'],
    [
      '24 hours of one day, and not of the next',
      ['sat 00:00-00:00'],
      null,
      '2026-11-29T00:00Z',
      false,
      '2026-12-05T00:00Z',
    ],
    ['24 hours of every day', ['daily 06:00-06:00'], 'Europe/Berlin', '2026-11-23T05:00Z', true, null],
    [
      'touching ones are one',
      ['mon 01:00-03:00', 'mon 03:00-05:00'],
      null,
      '2026-11-23T02:00Z',
      true,
      '2026-11-23T05:00Z',
    ],
    [
      'overlapping ones are one',
      ['mon 01:00-04:00', 'mon 02:00-03:00'],
      null,
      '2026-11-23T02:30Z',
      true,
      '2026-11-23T04:00Z',
    ],
    [
      'touching at midnight',
      ['mon 20:00-00:00', 'tue 00:00-04:00'],
      null,
      '2026-11-23T21:00Z',
      true,
      '2026-11-24T04:00Z',
    ],
    [
      'touching where the week turns',
      ['sun 20:00-00:00', 'mon 00:00-04:00'],
      null,
      '2026-11-22T21:00Z',
      true,
      '2026-11-23T04:00Z',
    ],
    [
      'touching in two zones',
      ['mon 01:00-03:00', 'mon 04:00-06:00 Europe/Berlin'],
      null,
      '2026-11-23T02:00Z',
      true,
      '2026-11-23T05:00Z',
    ],
    [
      'the nearest of several',
      ['wed 01:00-02:00', 'tue 01:00-02:00'],
      null,
      '2026-11-23T12:00Z',
      false,
      '2026-11-24T01:00Z',
    ],
    [
      'together always open',
      ['mon,tue,wed 00:00-00:00', 'thu,fri,sat,sun 00:00-00:00'],
      null,
      '2026-11-23T12:00Z',
      true,
      null,
    ],
    ['before 1970', ['thu 01:00-02:00'], null, '1969-12-31T12:00Z', false, '1970-01-01T01:00Z'],
  ])('%s', (_name, windows, zone, now, open, changesAt) => {
    const state = windowState(windows.map(window), zone, at(now));
    expect([state.open, said(state.changesAt)]).toEqual([open, changesAt]);
  });
});

test('a fleet in three zones is let in one zone after the other', () => {
  const windows = [window('daily 01:00-05:00')];
  const open = (now: string) =>
    ['Asia/Kolkata', 'Europe/Berlin', 'America/New_York', null].map((zone) => windowState(windows, zone, at(now)).open);
  expect(open('2026-11-23T20:00Z')).toEqual([true, false, false, false]);
  expect(open('2026-11-24T00:30Z')).toEqual([false, true, false, false]);
  expect(open('2026-11-24T03:00Z')).toEqual([false, true, false, true]);
  expect(open('2026-11-24T06:30Z')).toEqual([false, false, true, false]);
  expect(open('2026-11-24T12:00Z')).toEqual([false, false, false, false]);
  expect(said(nextOpening(windows, 'America/New_York', at('2026-11-23T20:00Z')))).toBe('2026-11-24T06:00Z');
});

describe('zones', () => {
  test('an older name and an abbreviation of devices stored before are read', () => {
    const state = (zone: string) => windowState([window('mon 01:00-05:00')], zone, at('2026-11-22T20:00Z'));
    expect(state('Asia/Calcutta')).toEqual(state('Asia/Kolkata'));
    expect(state('IST')).toEqual(state('Asia/Kolkata'));
  });

  test('one that the runtime does not know is named, with what to do', () => {
    expect(() => windowState([window('mon 01:00-05:00')], 'Mars/Base', 0)).toThrow(
      /no time zone Mars\/Base: correct the device or the policy/,
    );
    expect(() => windowState([window('mon 01:00-05:00 Mars/Base')], 'UTC', 0)).toThrow(RangeError);
  });

  test('what was kept for a zone is right for earlier moments too', () => {
    const summer = at('2026-07-01T00:00Z');
    const hours = [summer, summer - HOUR_MS, at('2026-01-01T00:00Z'), summer + 1].map(
      (moment) => offsetSpan('Europe/Paris', moment).offsetMs / HOUR_MS,
    );
    expect(hours).toEqual([2, 2, 1, 2]);
    expect(said(offsetSpan('Europe/Paris', summer - HOUR_MS).until)).toBe('2026-10-25T01:00Z');
  });
});

describe('in words', () => {
  test.each([
    ['sun,sat 01:00-05:00 Europe/Berlin', 'Sat, Sun 01:00-05:00 Europe/Berlin'],
    ['daily 22:00-02:00 UTC', 'Daily 22:00-02:00 UTC'],
    ['mon 06:00-06:00 UTC', 'Mon 06:00-06:00 (24 hours) UTC'],
    ['wed 01:00-05:00 device', "Wed 01:00-05:00 in each device's own time zone"],
  ])('%s', (text, words) => {
    expect(describeWindow(window(text))).toBe(words);
  });
});

test('a moment may have fractions of a millisecond, as clocks of databases do', () => {
  const windows = [window('mon 01:00-05:00')];
  const moment = at('2026-11-23T00:30Z') + 0.123;
  for (const zone of ['UTC', 'Pacific/Kiritimati', 'America/Lima'])
    expect(windowState(windows, zone, moment)).toEqual(windowState(windows, zone, Math.floor(moment)));
});
