import fc from 'fast-check';
import type { PlannableDevice } from '../../src/domain/batch-plan';
import type { BatchStep, Growth } from '../../src/domain/rules';

/** Random steps and fleets in which selectors often match, often overlap and sometimes name nobody. */
const step: fc.Arbitrary<BatchStep> = fc.oneof(
  fc.integer({ min: 1, max: 10_000 }).map((parts) => ({ percent: parts / 100 })),
  fc.integer({ min: 1, max: 40 }).map((count) => ({ count })),
  fc
    .constantFrom('ring:canary', 'ring:early', 'ring', 'site:berlin', 'ring:nobody', 'site:a:b')
    .map((tag) => ({ tag })),
  fc.constantFrom('lab', 'field', 'nowhere').map((fleetId) => ({ fleetId })),
);

export const batchSteps: fc.Arbitrary<BatchStep[]> = fc.array(step, { maxLength: 7 });

const device: fc.Arbitrary<PlannableDevice> = fc.record({
  tags: fc.record(
    { ring: fc.constantFrom('canary', 'early', 'late'), site: fc.constantFrom('berlin', 'a:b') },
    { requiredKeys: [] },
  ),
  fleetId: fc.constantFrom('lab', 'field', null),
});

export const plannableDevices: fc.Arbitrary<PlannableDevice[]> = fc.array(device, { maxLength: 200, size: 'max' });

/** Growth as a policy may have it, slow growth and small caps included, in which the hundred batches do not suffice. */
export const growths: fc.Arbitrary<Growth> = fc
  .record({
    start: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 1_000_000 })),
    factor: fc
      .oneof(fc.integer({ min: 100, max: 1000 }), fc.integer({ min: 100, max: 110 }))
      .map((parts) => parts / 100),
    more: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 1_000_000 })),
  })
  .map(({ start, factor, more }) => ({ start, factor, max: Math.min(start + more, 1_000_000) }));
