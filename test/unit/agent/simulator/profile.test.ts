import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { dealBehaviours, kindFor, offlineTimes, paceOf } from '../../../../src/agent/simulator/deal';
import { defaultProfile, parseProfile, Profile } from '../../../../src/agent/simulator/profile';

test('the shipped example is the default', () => {
  const text = readFileSync(resolve(__dirname, '../../../../docs/examples/flaky.json'), 'utf8');
  expect(parseProfile(text)).toEqual(defaultProfile);
});

test.each([
  ['{', /not JSON/],
  ['{"behaviors": {}}', /Unrecognized key: "behaviors"/],
  ['{"behaviours": {"silent": {"percent": 101}}}', /^behaviours\.silent\.percent: /],
  ['{"behaviours": {"silent": {"percent": 60}, "rejects": {"percent": 50}}}', /^behaviours: .*more than 100/],
  [
    '{"behaviours": {"offline": {"percent": 1, "every_seconds": 60, "for_seconds": 60}}}',
    /^behaviours\.offline\.for_seconds: /,
  ],
  ['{"update_seconds": [5, 1], "tags": []}', /^tags: .*\nupdate_seconds: /],
])('a profile %s is refused by its place', (text, message) => {
  expect(() => parseProfile(text)).toThrow(message);
});

test('shares are exact, and dealt the same for the same seed only', () => {
  const counts: Record<string, number> = {};
  const dealt = dealBehaviours(defaultProfile, 1000, 'a');
  for (const behaviour of dealt) counts[behaviour] = (counts[behaviour] ?? 0) + 1;
  expect(counts).toEqual({
    ...{ healthy: 820, slow_pull: 50, crash_loop: 20, silent: 10, offline: 50 },
    ...{ rejects: 10, reverts: 10, late_joiner: 20, wrong_digest: 10 },
  });
  expect(dealBehaviours(defaultProfile, 1000, 'a')).toEqual(dealt);
  expect(dealBehaviours(defaultProfile, 1000, 'b')).not.toEqual(dealt);
});

test('a behaviour shows with new images, by default with all of them, and never with the first one', () => {
  const some = Profile.parse({ bad_images: ['redis:7.6*', 'docker.io/acme/*:*'] });
  expect(kindFor(defaultProfile, 'crash_loop', 'redis:7.0', 'redis:7.5')).toBe('crashing');
  expect(kindFor(defaultProfile, 'crash_loop', 'redis:7.0', 'redis:7.0')).toBe('healthy');
  expect(kindFor(some, 'crash_loop', 'redis:7.0', 'redis:7.5')).toBe('healthy');
  expect(kindFor(some, 'crash_loop', 'redis:7.0', `redis:7.6-alpine@sha256:${'a'.repeat(64)}`)).toBe('crashing');
  expect(kindFor(some, 'rejects', 'acme/app:1', 'acme/app:2')).toBe('rejecting');
});

test('times are those of the profile', () => {
  const profile = Profile.parse({
    update_seconds: [1, 2],
    behaviours: {
      slow_pull: { percent: 1, seconds: 10 },
      silent: { percent: 1, for_seconds: 7 },
      offline: { percent: 1, every_seconds: 60, for_seconds: 6 },
      reverts: { percent: 1, after_seconds: 9 },
    },
  });
  expect(paceOf(profile)).toMatchObject({ updateMs: [1000, 2000], revertAfterMs: 9000, silentForMs: 7000 });
  expect(offlineTimes(profile, 'x')).toMatchObject({ everyMs: 60_000, forMs: 6000 });
  expect(offlineTimes(Profile.parse({}), 'x')).toBeUndefined();
});
