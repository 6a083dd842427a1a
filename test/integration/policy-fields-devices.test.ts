import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { until } from '../support/outage';
import { digestOf } from '../support/intake';
import { quick, REGISTRY, startFieldStack, type FieldStack } from '../support/field-stack';

/** Fields that say which pushes and which devices a policy is about, and what is written, as seen from outside. */
let stack: FieldStack;
beforeAll(async () => {
  stack = await startFieldStack();
});
afterAll(async () => {
  await stack.close();
});

const policy = (repository: string, fields: object = {}): Promise<string> =>
  stack.policy({ ...quick, image_pattern: `${repository}:*`, ...fields });
const pushed = async (repository: string, tag: string): Promise<Record<string, unknown>> =>
  (await stack.push(repository, tag)).body;

test('image_pattern: a push that it does not match starts nothing', async () => {
  await stack.policy({ ...quick, image_pattern: 'fields/pattern:7.*' });
  expect(await pushed('fields/pattern', '8.0')).toMatchObject({ outcome: 'no_matching_policy' });
  expect(await pushed('fields/pattern-too', '7.0')).toMatchObject({ outcome: 'no_matching_policy' });
  expect(await pushed('fields/pattern', '7.1')).toMatchObject({ outcome: 'started' });
});

describe('tag_rule', () => {
  test.each([
    [{ kind: 'any' }, 'nightly', 'started'],
    [{ kind: 'glob', pattern: 'v*' }, 'nightly', 'not_eligible'],
    [{ kind: 'glob', pattern: 'v*' }, 'v2', 'started'],
    [{ kind: 'regex', pattern: 'v[0-9]+' }, 'v2-rc', 'not_eligible'],
    [{ kind: 'regex', pattern: 'v[0-9]+' }, 'v2', 'started'],
    [{ kind: 'semver', range: '^7' }, '8.1.0', 'not_eligible'],
    [{ kind: 'semver', range: '^7' }, '7.1.0', 'started'],
  ])('%j and tag %s: %s', async (tag_rule, tag, outcome) => {
    const repository = `fields/rule-${tag_rule.kind}-${tag.replaceAll('.', '')}`;
    await policy(repository, { tag_rule });
    expect(await pushed(repository, tag)).toMatchObject({ outcome });
  });

  test('semver leaves a device where it is that runs a newer version, unless allow_downgrade says otherwise', async () => {
    for (const [allow_downgrade, target] of [
      [false, '7.5.0'],
      [true, '7.1.0'],
    ] as const) {
      const repository = `fields/downgrade-${String(allow_downgrade)}`;
      await policy(repository, { tag_rule: { kind: 'semver', range: '^7', allow_downgrade } });
      const fleet = await stack.fleet(repository, 1, '7.5.0');
      const id = await stack.starts(repository, '7.1.0');
      await stack.counts(id, allow_downgrade ? { told: 1 } : { skipped: 1 });
      expect(await stack.targets(fleet)).toEqual([target]);
    }
  });
});

describe('pin', () => {
  const push = async (repository: string, tag: string, digest: string): Promise<string> => {
    const { body } = await stack.pushDigest(repository, tag, digest);
    expect(body).toMatchObject({ outcome: 'started' });
    return String(body['rollout_id']);
  };

  test.each([
    ['tag', '2', '2'],
    ['digest', '2', `2@${digestOf('a')}`],
    ['auto', '2', '2'],
    ['auto', '1', `1@${digestOf('a')}`],
  ])('%s writes a push of tag %s to a device on tag 1 as %s', async (pin, tag, target) => {
    const repository = `fields/pin-${pin}-${tag}`;
    await policy(`${REGISTRY}/${repository}`, { pin });
    const fleet = await stack.fleet(`${REGISTRY}/${repository}`, 1);
    await stack.counts(await push(repository, tag, 'a'), { told: 1 });
    expect(await stack.targets(fleet)).toEqual([target]);
  });

  test('tag leaves a device on a tag that was pushed again as it is', async () => {
    await policy(`${REGISTRY}/fields/repushed`, { pin: 'tag' });
    await stack.fleet(`${REGISTRY}/fields/repushed`, 1);
    const shown = await stack.becomes(await push('fields/repushed', '1', 'b'), 'completed');
    expect(shown.counts).toMatchObject({ planned: 0, already_on_target: 1 });
  });
});

describe('only the devices are told that are selected', () => {
  async function toldOf(name: string, selection: (fleet: DeviceCredentials[]) => object): Promise<string[]> {
    const repository = `fields/${name}`;
    const fleet = await stack.fleet(repository, [
      { fleet_id: 'lab', tags: { ring: 'canary' } },
      { fleet_id: 'lab' },
      {},
    ]);
    await policy(repository, selection(fleet));
    await stack.counts(await stack.starts(repository, '2'), { told: 1 });
    return stack.targets(fleet);
  }

  test('by fleet_id', async () => {
    expect(await toldOf('fleet', () => ({ fleet_id: 'lab' }))).toEqual(['2', '2', '1']);
  });
  test('by device_tags', async () => {
    expect(await toldOf('tags', () => ({ device_tags: { ring: 'canary' } }))).toEqual(['2', '1', '1']);
  });
  test('by device_uuids', async () => {
    expect(await toldOf('uuids', (fleet) => ({ device_uuids: [fleet[2]?.uuid] }))).toEqual(['1', '1', '2']);
  });
});

test('enabled: a policy that is switched off starts nothing, and does again when it is switched on', async () => {
  const id = await policy('fields/enabled', { enabled: false });
  expect(await pushed('fields/enabled', '2')).toMatchObject({ outcome: 'no_matching_policy' });
  expect((await stack.call('PATCH', `/image-policies/${id}`, { enabled: true })).status).toBe(200);
  expect(await pushed('fields/enabled', '2')).toMatchObject({ outcome: 'started' });
});

test('priority: of two policies for the same pushes and devices the higher one decides', async () => {
  await policy('fields/priority', { priority: 5 });
  const higher = await policy('fields/priority', { priority: 10, update_strategy: 'manual' });
  const answer = await pushed('fields/priority', '2');
  expect(answer).toMatchObject({ outcome: 'started', strategy: 'manual', results: [{ policy_id: higher }] });
  const preview = await stack.call('POST', '/rollouts/preview', { image: 'fields/priority', tag: '3' });
  expect(JSON.stringify(preview.body)).toContain('its priority 10 is above 5');
});

test('description: is shown to whoever reads the policy, and is cleared by null', async () => {
  const id = await policy('fields/description', { description: 'shops first' });
  expect((await stack.call('GET', `/image-policies/${id}`)).body).toMatchObject({ description: 'shops first' });
  await stack.call('PATCH', `/image-policies/${id}`, { description: null });
  expect((await stack.call('GET', `/image-policies/${id}`)).body).toMatchObject({ description: null });
});

test('requires_approved_image: a push waits for the approval of its image, which then starts it pinned to the digest', async () => {
  await policy(`${REGISTRY}/fields/approved`, { requires_approved_image: true });
  const fleet = await stack.fleet(`${REGISTRY}/fields/approved`, 1);
  const refused = await stack.pushDigest('fields/approved', '2', 'c');
  expect([refused.status, refused.body['outcome']]).toEqual([403, 'not_approved']);
  expect(await stack.targets(fleet)).toEqual(['1']);
  const { body } = await stack.call('GET', '/image-approvals?status=pending');
  const request = (Object.values(body)[0] as { id: string; repository?: string; image?: string }[]).find((one) =>
    JSON.stringify(one).includes('fields/approved'),
  );
  expect((await stack.call('POST', `/image-approvals/${request?.id ?? ''}/approve`, {})).status).toBeLessThan(300);
  await until(async () => (await stack.targets(fleet))[0] === `2@${digestOf('c')}`);
});

describe('on_newer', () => {
  async function pushTwo(on_newer: string): Promise<{ first: string; second: string; fleet: DeviceCredentials[] }> {
    const repository = `fields/newer-${on_newer}`;
    await policy(repository, { on_newer });
    const fleet = await stack.fleet(repository, 1);
    const first = await stack.starts(repository, '2');
    await stack.counts(first, { told: 1 });
    const second = String((await pushed(repository, '3'))['rollout_id']);
    return { first, second, fleet };
  }

  test('supersede takes the devices over, and the older rollout ends superseded', async () => {
    const { first, second, fleet } = await pushTwo('supersede');
    await stack.becomes(first, 'superseded');
    await stack.counts(second, { told: 1 });
    expect(await stack.targets(fleet)).toEqual(['3']);
  });

  test('queue waits for the end of the older rollout, and says for which', async () => {
    const { first, second, fleet } = await pushTwo('queue');
    await stack.waitsFor(second, first);
    expect(await stack.targets(fleet)).toEqual(['2']);
    for (const device of fleet) await stack.report(device);
    await stack.becomes(first, 'completed');
    await stack.counts(second, { told: 1 });
    expect(await stack.targets(fleet)).toEqual(['3']);
  });
});
