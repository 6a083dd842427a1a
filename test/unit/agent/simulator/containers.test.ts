import { expect, test } from '@jest/globals';
import type { BehaviourKind } from '../../../../src/agent/simulator/behaviour';
import { defaultPace } from '../../../../src/agent/simulator/behaviour';
import { Containers } from '../../../../src/agent/simulator/containers';
import { createRandom } from '../../../../src/agent/random';

const apps = (imageName: string) => ({ '1002': { services: [{ serviceId: 2, serviceName: 'cache', imageName }] } });
const reported = (imageName: string, status: string) => ({
  '1002': { services: [{ serviceId: 2, serviceName: 'cache', imageName, status }] },
});
const LATER = 60_000;

function containersOf(kind: BehaviourKind): Containers {
  const behaviourOf = (image: string) => (image === 'redis:bad' ? kind : 'healthy');
  const containers = new Containers({ behaviourOf, random: createRandom('test'), pace: defaultPace });
  expect(containers.apply(apps('redis:7.0'), 0)).toBe(true);
  return containers;
}

test('the first target state is adopted as already running', () => {
  const containers = containersOf('healthy');
  expect(containers.report()).toEqual(reported('redis:7.0', 'running'));
  expect(containers.nextChangeAt()).toBe(Number.POSITIVE_INFINITY);
});

test('while a new image is pulled, the old container is reported as running', () => {
  const containers = containersOf('healthy');
  containers.apply(apps('redis:7.2'), 1000);
  expect(containers.advance(1001)).toBe(false);
  expect(containers.report()).toEqual(reported('redis:7.0', 'running'));
  expect(containers.advance(containers.nextChangeAt())).toBe(true);
  expect(containers.report()).toEqual(reported('redis:7.2', 'running'));
});

test('a failing device reports the new image as exited, and runs the old one again once it is put back', () => {
  const containers = containersOf('failing');
  containers.apply(apps('redis:bad'), 0);
  containers.advance(LATER);
  expect(containers.report()).toEqual(reported('redis:bad', 'exited'));
  containers.apply(apps('redis:7.0'), LATER);
  containers.advance(2 * LATER);
  expect(containers.report()).toEqual(reported('redis:7.0', 'running'));
});

test('an update that is overtaken by another never comes up', () => {
  const containers = containersOf('flapping');
  containers.apply(apps('redis:bad'), 0);
  containers.advance(defaultPace.updateMs[1]);
  containers.apply(apps('redis:7.0'), 2000);
  containers.advance(LATER);
  expect(containers.report()).toEqual(reported('redis:7.0', 'running'));
  expect(containers.nextChangeAt()).toBe(Number.POSITIVE_INFINITY);
});

test('a service without imageName keeps the device from applying anything, as on the first agents', () => {
  const containers = containersOf('healthy');
  expect(containers.apply({ ...apps('redis:7.2'), '7': { services: [{ serviceName: 'web' }] } }, 0)).toBe(false);
  containers.advance(LATER);
  expect(containers.report()).toEqual(reported('redis:7.0', 'running'));
});

test('a service that is no longer wanted is gone from the next report', () => {
  const containers = containersOf('healthy');
  containers.apply({}, 0);
  expect(containers.report()).toEqual({});
});

/** Image and state after each change, at most six of them. */
function storyOf(kind: BehaviourKind): string[] {
  const containers = containersOf(kind);
  containers.apply(apps('redis:bad'), 0);
  const story: string[] = [];
  while (containers.nextChangeAt() < Number.POSITIVE_INFINITY && story.length < 6) {
    containers.advance(containers.nextChangeAt());
    const [service] = containers.report()['1002']?.services ?? [];
    const digest = service?.imageDigest === undefined ? '' : ' other digest';
    story.push(`${service?.imageName ?? ''} ${service?.status ?? ''}${digest}`);
  }
  return story;
}

test.each<[BehaviourKind, string[]]>([
  ['healthy', ['redis:bad running']],
  ['crashing', ['running', 'exited', 'running', 'exited', 'running', 'exited'].map((status) => `redis:bad ${status}`)],
  ['rejecting', ['redis:bad rejected']],
  ['reverting', ['redis:bad running', 'redis:7.0 running']],
  ['wrong-digest', ['redis:bad running other digest']],
])('what a %s device does with a new image', (kind, story) => {
  expect(storyOf(kind)).toEqual(story);
});
