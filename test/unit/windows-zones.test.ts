import { expect, test } from '@jest/globals';
import { offsetSpan } from '../../src/domain/zone-offsets';
import { DAY_MS, MINUTE_MS } from '../support/window-oracle';

/** What a zone's clock is ahead of UTC, by what Intl shows. */
function offsetReader(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return (ms) => {
    // 03/29/2026, 03:00
    const [month, day, year, hour, minute] = format.format(ms).split(/\D+/).map(Number);
    return Date.UTC(year!, month! - 1, day, hour, minute) - Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  };
}

test('every zone of this runtime has the offset that Intl shows, all through two years and to the minute of each change', () => {
  const start = Date.parse('2026-01-01T00:00Z');
  const wrong: string[] = [];
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const shown = offsetReader(zone);
    const expectOffset = (ms: number) => {
      if (offsetSpan(zone, ms).offsetMs !== shown(ms)) wrong.push(`${zone} ${new Date(ms).toISOString()}`);
    };
    for (let day = 0; day < 730; day += 5) expectOffset(start + day * DAY_MS);
    for (let { until } = offsetSpan(zone, start); until < start + 730 * DAY_MS; { until } = offsetSpan(zone, until)) {
      expectOffset(until - MINUTE_MS);
      expectOffset(until);
    }
  }
  expect(wrong).toEqual([]);
});
