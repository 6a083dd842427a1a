import { describe, expect, test } from '@jest/globals';
import { nextOpening, windowState } from '../../src/domain/windows';
import { at, HOUR_MS, openTimes, said, window } from '../support/window-text';

describe('Sundays on which clocks are changed', () => {
  const night = 'sun 01:00-05:00';
  test.each<[string, string, string, string, string[]]>([
    ['Berlin, March 2026: 3 hours', 'Europe/Berlin', night, '2026-03-28', ['2026-03-29T00:00Z .. 2026-03-29T03:00Z']],
    ['Berlin, October 2026: 5 hours', 'Europe/Berlin', night, '2026-10-24', ['2026-10-24T23:00Z .. 2026-10-25T04:00Z']],
    ['Berlin, March 2027: 3 hours', 'Europe/Berlin', night, '2027-03-27', ['2027-03-28T00:00Z .. 2027-03-28T03:00Z']],
    ['Berlin, October 2027: 5 hours', 'Europe/Berlin', night, '2027-10-30', ['2027-10-30T23:00Z .. 2027-10-31T04:00Z']],
    [
      'New York, March 2026: 3 hours',
      'America/New_York',
      night,
      '2026-03-07',
      ['2026-03-08T06:00Z .. 2026-03-08T09:00Z'],
    ],
    [
      'New York, November 2026: 5 hours',
      'America/New_York',
      night,
      '2026-10-31',
      ['2026-11-01T05:00Z .. 2026-11-01T10:00Z'],
    ],
    [
      'New York, March 2027: 3 hours',
      'America/New_York',
      night,
      '2027-03-13',
      ['2027-03-14T06:00Z .. 2027-03-14T09:00Z'],
    ],
    [
      'New York, November 2027: 5 hours',
      'America/New_York',
      night,
      '2027-11-06',
      ['2027-11-07T05:00Z .. 2027-11-07T10:00Z'],
    ],
    [
      'Lord Howe, April 2026: 4 1/2 hours',
      'Australia/Lord_Howe',
      night,
      '2026-04-04',
      ['2026-04-04T14:00Z .. 2026-04-04T18:30Z'],
    ],
    [
      'Lord Howe, October 2026: 3 1/2 hours',
      'Australia/Lord_Howe',
      night,
      '2026-10-03',
      ['2026-10-03T14:30Z .. 2026-10-03T18:00Z'],
    ],
    [
      'Lord Howe, April 2027: 4 1/2 hours',
      'Australia/Lord_Howe',
      night,
      '2027-04-03',
      ['2027-04-03T14:00Z .. 2027-04-03T18:30Z'],
    ],
    [
      'Lord Howe, October 2027: 3 1/2 hours',
      'Australia/Lord_Howe',
      night,
      '2027-10-02',
      ['2027-10-02T14:30Z .. 2027-10-02T18:00Z'],
    ],
    [
      'Kolkata has no such days: 4 hours',
      'Asia/Kolkata',
      night,
      '2026-03-28',
      ['2026-03-28T19:30Z .. 2026-03-28T23:30Z'],
    ],
    ['within the hour that is left out: not at all', 'Europe/Berlin', 'sun 02:15-02:45', '2026-03-28', []],
    ['all of the hour that is left out: not at all', 'Europe/Berlin', 'sun 02:00-03:00', '2026-03-28', []],
    [
      'from within it: from the jump on',
      'Europe/Berlin',
      'sun 02:30-04:00',
      '2026-03-28',
      ['2026-03-29T01:00Z .. 2026-03-29T02:00Z'],
    ],
    [
      'into it: until the jump',
      'Europe/Berlin',
      'sun 01:00-02:30',
      '2026-03-28',
      ['2026-03-29T00:00Z .. 2026-03-29T01:00Z'],
    ],
    [
      'within the hour that comes twice: twice',
      'Europe/Berlin',
      'sun 02:15-02:45',
      '2026-10-24',
      ['2026-10-25T00:15Z .. 2026-10-25T00:45Z', '2026-10-25T01:15Z .. 2026-10-25T01:45Z'],
    ],
    [
      'all of the hour that comes twice: 2 hours',
      'Europe/Berlin',
      'sun 02:00-03:00',
      '2026-10-24',
      ['2026-10-25T00:00Z .. 2026-10-25T02:00Z'],
    ],
    [
      'until within it: once more, when the clock is back',
      'Europe/Berlin',
      'sun 01:00-02:30',
      '2026-10-24',
      ['2026-10-24T23:00Z .. 2026-10-25T00:30Z', '2026-10-25T01:00Z .. 2026-10-25T01:30Z'],
    ],
    [
      'over the midnight before it',
      'Europe/Berlin',
      'sat 22:00-05:00',
      '2026-03-28',
      ['2026-03-28T21:00Z .. 2026-03-29T03:00Z'],
    ],
    [
      '24 hours of that day are 23',
      'Europe/Berlin',
      'sun 00:00-00:00',
      '2026-03-28',
      ['2026-03-28T23:00Z .. 2026-03-29T22:00Z'],
    ],
    [
      '24 hours of that day are 25',
      'Europe/Berlin',
      'sun 00:00-00:00',
      '2026-10-24',
      ['2026-10-24T22:00Z .. 2026-10-25T23:00Z'],
    ],
  ])('%s', (_name, zone, text, from, expected) => {
    const until = new Date(at(from) + 60 * HOUR_MS).toISOString();
    expect(openTimes([text], zone, `${from}T12:00Z`, until)).toEqual(expected);
    expect(openTimes([`${text} ${zone}`], null, `${from}T12:00Z`, until)).toEqual(expected);
  });

  test('a window that was left out is found a week later', () => {
    const opens = nextOpening([window('sun 02:15-02:45')], 'Europe/Berlin', at('2026-03-28T12:00Z'));
    expect(said(opens)).toBe('2026-04-05T00:15Z');
  });

  test('zones that fill the day together, but for the weeks in which only one has changed its clock', () => {
    const windows = ['daily 02:00-18:00 America/New_York', 'daily 00:00-08:00 Europe/Berlin'].map(window);
    expect(said(windowState(windows, null, at('2026-11-23T12:00Z')).changesAt)).toBe('2027-03-14T22:00Z');
  });
});

test('a Friday that an island left out, and what would have come of it on Saturday', () => {
  const times = openTimes(
    ['fri 22:00-02:00', 'fri 08:00-10:00'],
    'Pacific/Apia',
    '2011-12-29T00:00Z',
    '2012-01-01T00:00Z',
  );
  expect(times).toEqual(['2011-12-30T10:00Z .. 2011-12-30T12:00Z']);
});
