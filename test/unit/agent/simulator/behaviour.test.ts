import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { behaviourKinds, defaultPace, mixedBehaviour, planUpdate } from '../../../../src/agent/simulator/behaviour';
import { createRandom } from '../../../../src/agent/random';

const uuids = Array.from({ length: 2000 }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`);
const isBad = (image: string) => image.endsWith(':bad');

describe('the mix of a simulated fleet', () => {
  const shares = { failing: 0.3, slow: 0.1, silent: 0.05, flapping: 0.15 };

  test('is the same for the same seed and another for another seed', () => {
    const kinds = (seed: string) =>
      uuids.map((uuid) => mixedBehaviour({ seed, shares, appliesTo: isBad })(uuid, 'redis:bad'));
    expect(kinds('a')).toEqual(kinds('a'));
    expect(kinds('a')).not.toEqual(kinds('b'));
  });

  test('deals out the shares that were asked for', () => {
    const behaviourOf = mixedBehaviour({ seed: 'shares', shares, appliesTo: isBad });
    const kinds = uuids.map((uuid) => behaviourOf(uuid, 'redis:bad'));
    for (const [kind, share] of Object.entries({ ...shares, healthy: 0.4 })) {
      expect(Math.abs(kinds.filter((each) => each === kind).length / uuids.length - share)).toBeLessThan(0.04);
    }
  });

  test('touches only the images it is about: the same fleet is healthy for the good release', () => {
    const behaviourOf = mixedBehaviour({ seed: 'x', shares: { failing: 1 }, appliesTo: isBad });
    expect(new Set(uuids.map((uuid) => behaviourOf(uuid, 'redis:good')))).toEqual(new Set(['healthy']));
    expect(new Set(uuids.map((uuid) => behaviourOf(uuid, 'redis:bad')))).toEqual(new Set(['failing']));
  });

  test('refuses shares that are more than the whole fleet', () => {
    expect(() => mixedBehaviour({ seed: 'x', shares: { failing: 0.7, slow: 0.4 }, appliesTo: isBad })).toThrow(
      RangeError,
    );
  });
});

describe('what a device does with a new image', () => {
  test('happens in order, at the pace given, and the same for the same random numbers', () => {
    fc.assert(
      fc.property(fc.constantFrom(...behaviourKinds), fc.string(), (kind, seed) => {
        const plan = planUpdate(kind, createRandom(seed));
        const times = plan.steps.map((step) => step.afterMs);
        const [from, to] = kind === 'slow' ? defaultPace.slowUpdateMs : defaultPace.updateMs;
        expect(times[0]).toBeGreaterThanOrEqual(from);
        expect(times[0]).toBeLessThan(to);
        expect(times).toEqual([...times].sort((a, b) => a - b));
        expect(plan).toEqual(planUpdate(kind, createRandom(seed)));
      }),
    );
  });

  test.each([
    ['healthy', ['running']],
    ['slow', ['running']],
    ['failing', ['exited']],
    ['silent', ['running']],
    ['flapping', ['running', 'exited', 'running', 'exited', 'running', 'exited', 'running', 'exited', 'running']],
  ] as const)('%s: %j', (kind, statuses) => {
    expect(planUpdate(kind, createRandom('s')).steps.map((step) => step.status)).toEqual(statuses);
  });

  test('only a silent device goes silent, for good unless it is told to come back', () => {
    for (const kind of behaviourKinds)
      expect(planUpdate(kind, createRandom('s')).silentMs).toBe(kind === 'silent' ? Number.POSITIVE_INFINITY : 0);
    expect(planUpdate('silent', createRandom('s'), { ...defaultPace, silentForMs: 5000 }).silentMs).toBe(5000);
  });
});
