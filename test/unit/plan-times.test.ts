import { describe, expect, test } from '@jest/globals';
import { planTimes, type TimedBatch, type TimedFreeze, type TimedGroup } from '../../src/domain/plan-times';
import { at, said, window } from '../support/window-text';

const group = (zone = 'UTC', given: Partial<TimedGroup> = {}): TimedGroup => ({
  ...{ zone, fleetId: null, devices: 10, offline: 0 },
  ...given,
});
const batch = (number: number, groups: TimedGroup[] = [group()], delay = 1800, soak = 60): TimedBatch => ({
  ...{ number, groups, soakSeconds: soak },
  delaySeconds: number === 1 ? 0 : delay,
});
const freeze = (reason: string, from: string, until: string, fleetId: string | null = null): TimedFreeze => ({
  ...{ reason, fleetId },
  startsAtMs: at(from),
  endsAtMs: at(until),
});

/** Each batch as `starts .. told by, what for`, and the end. */
function told(from: string, batches: TimedBatch[], windows: string[] = [], freezes: TimedFreeze[] = []): string[] {
  const times = planTimes(batches, windows.map(window), freezes, at(from));
  return [
    ...times.batches.map(
      ({ startsAtMs, toldByMs, waitsFor }) =>
        `${String(said(startsAtMs))} .. ${String(said(toldByMs))}${waitsFor === null ? '' : `, ${waitsFor}`}`,
    ),
    `ends ${String(said(times.endsAtMs))}`,
  ];
}

test('without windows and freezes there are delays and soaks alone', () => {
  expect(told('2026-06-01T12:00Z', [batch(1), batch(2), batch(3)])).toEqual([
    '2026-06-01T12:00Z .. 2026-06-01T12:00Z',
    '2026-06-01T12:31Z .. 2026-06-01T12:31Z',
    '2026-06-01T13:02Z .. 2026-06-01T13:02Z',
    'ends 2026-06-01T13:03Z',
  ]);
});

test('a plan without batches ends at once, and a delay before the first batch counts', () => {
  expect(told('2026-06-01T12:00Z', [])).toEqual(['ends 2026-06-01T12:00Z']);
  expect(told('2026-06-01T12:00Z', [{ ...batch(1), delaySeconds: 600 }])[0]).toBe(
    '2026-06-01T12:10Z .. 2026-06-01T12:10Z',
  );
});

describe('windows', () => {
  test('a batch whose turn comes within an open window waits for nothing', () => {
    expect(told('2026-06-06T02:00Z', [batch(1), batch(2)], ['sat 01:00-05:00'])).toEqual([
      '2026-06-06T02:00Z .. 2026-06-06T02:00Z',
      '2026-06-06T02:31Z .. 2026-06-06T02:31Z',
      'ends 2026-06-06T02:32Z',
    ]);
  });

  test('a batch that would come after the end of a window waits for the next one', () => {
    expect(told('2026-06-06T04:45Z', [batch(1), batch(2)], ['sat 01:00-05:00'])).toEqual([
      '2026-06-06T04:45Z .. 2026-06-06T04:45Z',
      '2026-06-13T01:00Z .. 2026-06-13T01:00Z, maintenance window',
      'ends 2026-06-13T01:01Z',
    ]);
  });

  test('in three zones a batch starts with the first that opens and is told with the last; the next batch comes after it', () => {
    const zones = ['Asia/Tokyo', 'Europe/Berlin', 'America/New_York'].map((zone) => group(zone));
    expect(told('2026-06-03T12:00Z', [batch(1, zones), batch(2, [group('Asia/Tokyo')])], ['sat 01:00-05:00'])).toEqual([
      '2026-06-05T16:00Z .. 2026-06-06T05:00Z, maintenance window',
      '2026-06-12T16:00Z .. 2026-06-12T16:00Z, maintenance window',
      'ends 2026-06-12T16:01Z',
    ]);
  });

  test('a zone that is open now is told now, and another one is waited for', () => {
    const zones = [group('Europe/Berlin'), group('America/New_York')];
    expect(told('2026-06-06T00:00Z', [batch(1, zones)], ['sat 01:00-05:00'])[0]).toBe(
      '2026-06-06T00:00Z .. 2026-06-06T05:00Z, maintenance window',
    );
  });

  test.each([
    [
      'spring: 02:00-03:00 is not there in Berlin that Sunday, so it is a week later',
      'sun 02:00-03:00',
      '2026-03-28T12:00Z',
      '2026-04-05T00:00Z',
    ],
    ['spring: 03:00 comes an hour earlier', 'sun 03:00-05:00', '2026-03-28T12:00Z', '2026-03-29T01:00Z'],
    ['autumn: 02:30 comes twice, the first counts', 'sun 02:30-05:00', '2026-10-24T12:00Z', '2026-10-25T00:30Z'],
    ['autumn: 03:00 comes an hour later', 'sun 03:00-05:00', '2026-10-24T12:00Z', '2026-10-25T02:00Z'],
  ])('%s', (_, night, from, opens) => {
    expect(told(from, [batch(1, [group('Europe/Berlin')])], [night])[0]).toBe(
      `${opens} .. ${opens}, maintenance window`,
    );
  });

  test('a delay that ends on the day the clocks change is held to the wall clock', () => {
    const batches = [batch(1, [group('Europe/Berlin')], 0, 0), batch(2, [group('Europe/Berlin')], 7 * 86_400, 0)];
    expect(told('2026-03-21T23:00Z', batches, ['sun 00:00-04:00'])).toEqual([
      '2026-03-21T23:00Z .. 2026-03-21T23:00Z',
      '2026-03-28T23:00Z .. 2026-03-28T23:00Z',
      'ends 2026-03-28T23:00Z',
    ]);
    expect(told('2026-03-22T02:30Z', batches, ['sun 00:00-04:00'])[1]).toBe(
      '2026-04-04T22:00Z .. 2026-04-04T22:00Z, maintenance window',
    );
  });
});

describe('freezes', () => {
  test('one that stands is waited for, with its reason; of several the one that ends last', () => {
    const freezes = [
      freeze('audit', '2026-06-01T00:00Z', '2026-06-02T00:00Z'),
      freeze('Black Friday', '2026-06-01T00:00Z', '2026-06-03T00:00Z'),
    ];
    expect(told('2026-06-01T12:00Z', [batch(1)], [], freezes)).toEqual([
      '2026-06-03T00:00Z .. 2026-06-03T00:00Z, freeze (Black Friday)',
      'ends 2026-06-03T00:01Z',
    ]);
  });

  test('one that is to come holds back the batches that would come within it, and no other', () => {
    const freezes = [freeze('move', '2026-06-01T12:30Z', '2026-06-01T20:00Z')];
    expect(told('2026-06-01T12:00Z', [batch(1), batch(2), batch(3)], [], freezes)).toEqual([
      '2026-06-01T12:00Z .. 2026-06-01T12:00Z',
      '2026-06-01T20:00Z .. 2026-06-01T20:00Z, freeze (move)',
      '2026-06-01T20:31Z .. 2026-06-01T20:31Z',
      'ends 2026-06-01T20:32Z',
    ]);
  });

  test('one of a fleet holds back its devices alone, and the batch waits for them', () => {
    const freezes = [freeze('inventory', '2026-06-01T00:00Z', '2026-06-02T00:00Z', 'shops')];
    expect(told('2026-06-01T12:00Z', [batch(1, [group(), group('UTC', { fleetId: 'shops' })])], [], freezes)[0]).toBe(
      '2026-06-01T12:00Z .. 2026-06-02T00:00Z, freeze (inventory)',
    );
    expect(told('2026-06-01T12:00Z', [batch(1)], [], freezes)[0]).toBe('2026-06-01T12:00Z .. 2026-06-01T12:00Z');
  });

  test('after its end the window has to be open, and what is said is what is waited for last', () => {
    const freezes = [freeze('audit', '2026-06-05T00:00Z', '2026-06-07T00:00Z')];
    expect(told('2026-06-03T12:00Z', [batch(1)], ['sat 01:00-05:00'], freezes)[0]).toBe(
      '2026-06-13T01:00Z .. 2026-06-13T01:00Z, maintenance window',
    );
    expect(told('2026-06-03T12:00Z', [batch(1)], ['sat 20:00-05:00'], freezes)[0]).toBe(
      '2026-06-07T00:00Z .. 2026-06-07T00:00Z, freeze (audit)',
    );
  });

  test('one follows another without a gap', () => {
    const freezes = [
      freeze('first', '2026-06-01T00:00Z', '2026-06-02T00:00Z'),
      freeze('second', '2026-06-02T00:00Z', '2026-06-03T00:00Z'),
    ];
    expect(told('2026-06-01T12:00Z', [batch(1)], [], freezes)[0]).toContain('2026-06-03T00:00Z, freeze (second)');
  });
});

test('a batch of offline devices alone does not soak', () => {
  expect(told('2026-06-01T12:00Z', [batch(1, [group('UTC', { offline: 10 })]), batch(2, undefined, 0)])).toEqual([
    '2026-06-01T12:00Z .. 2026-06-01T12:00Z',
    '2026-06-01T12:00Z .. 2026-06-01T12:00Z',
    'ends 2026-06-01T12:01Z',
  ]);
});

test('where a window never opens there is no end, and the batches behind it have no times', () => {
  const never = { days: [], from: '01:00', to: '05:00', timezone: 'device' };
  const { batches, endsAtMs } = planTimes([batch(1), batch(2)], [never], [], at('2026-06-01T12:00Z'));
  expect(batches).toEqual([
    { number: 1, startsAtMs: null, toldByMs: null, waitsFor: 'maintenance window' },
    { number: 2, startsAtMs: null, toldByMs: null, waitsFor: null },
  ]);
  expect(endsAtMs).toBeNull();
});
