import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

/** Tag rules and batches of a policy, as a registry, an operator and the devices see them: over HTTP. */
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

async function rolloutOf(repository: string, tag: string): Promise<string> {
  const { body } = await stack.push(repository, tag);
  expect(body).toMatchObject({ outcome: 'started' });
  const id = String(body['rollout_id']);
  await stack.reaches(id, ['completed']);
  return id;
}

interface Batch {
  number: number;
  planned: number;
  delay_seconds: number | null;
  soak_seconds: number | null;
  started_at: string;
  ended_at: string;
}

async function rollout(id: string): Promise<{ reason: string; counts: Record<string, number>; batches: Batch[] }> {
  return (await stack.call('GET', `/rollouts/${id}`)).body as never;
}

describe('a semver rule', () => {
  test('lets only versions of its range through, and decides device by device which of them may have one', async () => {
    await stack.policy({
      ...hasty,
      image_pattern: 'acme/edge:*',
      tag_rule: { kind: 'semver', range: '^7' },
    });
    const images = ['acme/edge:7.4', 'acme/edge:7.6', 'acme/edge:7.4-alpine', 'acme/edge:7.4.2', 'acme/edge:latest'];
    const devices = await stack.devices(images.map((image) => appWith(image)));
    stack.play(devices);

    for (const [tag, why] of [
      ['8.0', 'does not satisfy'],
      ['latest', 'is not a version'],
      ['7a3f9c1', 'is not a version'],
      ['7.5-rc1', 'does not satisfy'],
    ] as const) {
      const { body } = await stack.push('acme/edge', tag);
      expect(body).toMatchObject({ outcome: 'not_eligible', results: [{ detail: expect.stringContaining(why) }] });
    }

    const id = await rolloutOf('acme/edge', '7.5');
    const { body } = await stack.call('GET', `/rollouts/${id}/devices`);
    const rows = body['devices'] as { device_uuid: string; status: string; reason: string | null }[];
    expect(
      devices.map(({ uuid }) => rows.find((row) => row.device_uuid === uuid)).map((row) => [row?.status, row?.reason]),
    ).toEqual([
      ['completed', null],
      ['skipped', 'downgrade from 7.6 (not allowed)'],
      ['skipped', 'another variant than 7.4-alpine'],
      ['skipped', 'another number of version parts than 7.4.2'],
      ['completed', null],
    ]);
    expect((await rollout(id)).counts).toMatchObject({ planned: 2, healthy: 2, skipped: 3, already_on_target: 0 });
    for (const [index, image] of ['7.5', '7.6', '7.4-alpine', '7.4.2', '7.5'].entries()) {
      const state = await stack.call('GET', `/devices/${devices[index]?.uuid ?? ''}/target-state`);
      expect(state.body['apps']).toEqual(appWith(`acme/edge:${image}`));
    }

    // An older version that is pushed later undoes nothing.
    const late = await rolloutOf('acme/edge', '7.2');
    expect(await rollout(late)).toMatchObject({
      reason: 'all 5 devices that are not on target are left out: each says why',
      counts: { planned: 0, skipped: 5 },
    });
  });

  test('takes devices back where downgrades are allowed', async () => {
    await stack.policy({
      ...hasty,
      image_pattern: 'acme/back:*',
      tag_rule: { kind: 'semver', range: '^7', allow_downgrade: true },
    });
    stack.play(await stack.devices([appWith('acme/back:7.6')]));
    expect((await rollout(await rolloutOf('acme/back', '7.5'))).counts).toMatchObject({ healthy: 1, skipped: 0 });
  });
});

test('a regular expression has to match all of the tag', async () => {
  await stack.policy({ ...hasty, image_pattern: 'acme/regex:*', tag_rule: { kind: 'regex', pattern: 'r[0-9]+' } });
  expect((await stack.push('acme/regex', 'r12-debug')).body).toMatchObject({ outcome: 'not_eligible' });
  expect((await stack.push('acme/regex', 'r12')).body).toMatchObject({ outcome: 'started' });
});

test('growing batches go out one after the other, each at most its share', async () => {
  await stack.policy({ ...hasty, image_pattern: 'acme/grow:*', batches: { start: 1, factor: 2, max: 4 } });
  stack.play(await stack.devices(Array.from({ length: 13 }, () => appWith('acme/grow:1'))));
  const { batches } = await rollout(await rolloutOf('acme/grow', '2'));
  expect(batches.map((batch) => batch.planned)).toEqual([1, 2, 4, 4, 2]);
});

test('a batch waits for its own delay and soaks its own time, where it has them', async () => {
  await stack.policy({
    ...hasty,
    image_pattern: 'acme/times:*',
    batches: [{ count: 1, soak_seconds: 4 }, { count: 1, delay_seconds: 15 }, { percent: 100 }],
  });
  stack.play(await stack.devices(Array.from({ length: 3 }, () => appWith('acme/times:1'))));
  const { batches } = await rollout(await rolloutOf('acme/times', '2'));
  expect(batches.map(({ delay_seconds, soak_seconds }) => [delay_seconds, soak_seconds])).toEqual([
    [null, 4],
    [15, null],
    [null, null],
  ]);
  const at = (time: string): number => Date.parse(time) / 1000;
  const [first, second, third] = batches as [Batch, Batch, Batch];
  expect(at(first.ended_at) - at(first.started_at)).toBeGreaterThanOrEqual(4);
  expect(at(second.started_at) - at(first.ended_at)).toBeGreaterThanOrEqual(15);
  expect(at(third.started_at) - at(second.ended_at)).toBeLessThan(15);
});
