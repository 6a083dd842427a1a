import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { freezesOf } from '../../src/domain/freeze';
import { planTimes, type TimedFreeze } from '../../src/domain/plan-times';
import { writePermit } from '../../src/domain/write-permit';
import { weekdays, type MaintenanceWindow } from '../../src/domain/windows';
import { at } from '../support/window-text';

const HALF_HOUR_MS = 1_800_000;
const clock = fc
  .integer({ min: 0, max: 47 })
  .map((half) => `${String(half >> 1).padStart(2, '0')}:${half % 2 === 0 ? '00' : '30'}`);
const windows: fc.Arbitrary<MaintenanceWindow[]> = fc.array(
  fc.record({
    days: fc.subarray([...weekdays], { minLength: 1 }),
    from: clock,
    to: clock,
    timezone: fc.constantFrom('device', 'UTC', 'Asia/Tokyo'),
  }),
  { maxLength: 2 },
);
/** Around the Sunday in March on which Berlin's clocks are changed. */
const moment = fc.integer({ min: 0, max: 480 }).map((half) => at('2026-03-25T00:00Z') + half * HALF_HOUR_MS);
const freezes: fc.Arbitrary<TimedFreeze[]> = fc.array(
  fc
    .record({ fleetId: fc.constantFrom(null, 'shops'), startsAtMs: moment, halves: fc.integer({ min: 1, max: 96 }) })
    .map(({ fleetId, startsAtMs, halves }) => ({
      ...{ fleetId, startsAtMs, reason: 'r' },
      endsAtMs: startsAtMs + halves * HALF_HOUR_MS,
    })),
  { maxLength: 3 },
);
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York');
const fleet = fc.constantFrom(null, 'shops');

/** Whether the rollout itself, asked at that moment, would tell devices of the group. */
function mayTell(
  open: MaintenanceWindow[],
  all: TimedFreeze[],
  group: { zone: string; fleetId: string | null },
  atMs: number,
): boolean {
  const standing = all
    .filter((one) => one.startsAtMs <= atMs && atMs < one.endsAtMs)
    .map(({ fleetId, reason, endsAtMs }) => ({
      fleetId,
      reason,
      endsAt: new Date(endsAtMs).toISOString(),
      imagePattern: null,
    }));
  const frozen = freezesOf(standing, { image: 'docker.io/library/redis', tag: '7' });
  const frozenFleet = frozen.fleets.some((one) => one.fleetId === group.fleetId) ? group.fleetId : null;
  return !writePermit(open, [{ zone: group.zone, frozenFleet, devices: 1 }], frozen, atMs).nobody;
}

test('a group is told at the first half hour at which the rollout itself would tell it', () => {
  fc.assert(
    fc.property(windows, freezes, zone, fleet, moment, (open, all, inZone, fleetId, nowMs) => {
      const group = { zone: inZone, fleetId, devices: 1, offline: 0 };
      const batch = { number: 1, delaySeconds: 0, soakSeconds: 0, groups: [group] };
      const { startsAtMs, toldByMs } = planTimes([batch], open, all, nowMs).batches[0] ?? {};
      let firstMs = nowMs;
      while (!mayTell(open, all, group, firstMs)) firstMs += HALF_HOUR_MS;
      expect([startsAtMs, toldByMs]).toEqual([firstMs, firstMs]);
    }),
    { numRuns: 300 },
  );
});
