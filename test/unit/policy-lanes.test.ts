import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fitsWorkflowId, parseRolloutWorkflowId, rolloutWorkflowId } from '../../src/domain/ids';
import { decidingPolicies, type SelectivePolicy } from '../../src/domain/policy-match';
import type { SelectedDevices } from '../../src/domain/rules';
import { covers } from '../../src/domain/selections';

const redis = { image: 'docker.io/library/redis', tag: '7' };
let made = 0;
function policy(selection: SelectedDevices, more: Partial<SelectivePolicy> = {}): SelectivePolicy {
  made += 1;
  const createdAt = new Date(made).toISOString();
  const id = `${String(made).padStart(8, '0')}-0000-4000-8000-000000000000`;
  return { id, imagePattern: 'redis', priority: 100, enabled: true, createdAt, selection, laneInUse: null, ...more };
}
const shops = { fleetId: 'shops' };
const vehicles = { fleetId: 'vehicles' };

describe('the policies that decide about a push', () => {
  it('are none where none matches', () => {
    expect(decidingPolicies([policy({}, { imagePattern: 'nginx' })], redis)).toEqual({ deciding: [], candidates: [] });
  });

  it('is the first alone where it selects every device', () => {
    const policies = [policy({}), policy(shops)];
    const { deciding, candidates } = decidingPolicies(policies, redis);
    expect(deciding).toEqual([{ policy: policies[0], why: expect.any(String), lane: '', except: [] }]);
    expect(candidates).toEqual(policies);
  });

  it('are each for what those before do not select, in lanes of their own', () => {
    const [first, second, rest] = [policy(shops), policy(vehicles), policy({}, { imagePattern: '*' })];
    const { deciding } = decidingPolicies([rest, second, first], redis);
    expect(deciding.map(({ policy: { id }, lane, except }) => [id, lane, except])).toEqual([
      [first.id, '', []],
      [second.id, second.id, [shops]],
      [rest.id, rest.id, [shops, vehicles]],
    ]);
    expect(deciding[2]?.why).toBe(
      '"*" decides for the devices that it selects and the policies before it ("redis", "redis") do not',
    );
  });

  it('do not hold one whose devices are all the earlier one’s', () => {
    const within = { fleetId: 'shops', deviceTags: { ring: 'a' } };
    expect(decidingPolicies([policy(shops), policy(within), policy(shops)], redis).deciding).toHaveLength(1);
    expect(decidingPolicies([policy(within), policy(shops)], redis).deciding).toHaveLength(2);
  });

  it('keep the lane of a rollout that has not ended, and the first lane is nobody else’s meanwhile', () => {
    const lanes = (...policies: SelectivePolicy[]): string[] =>
      decidingPolicies(policies, redis).deciding.map(({ lane }) => lane);
    const second = policy(vehicles, { laneInUse: '' });
    const first = policy(shops, { priority: 200 });
    expect(lanes(first, second)).toEqual([first.id, '']);
    expect(lanes({ ...first, laneInUse: first.id }, { ...second, laneInUse: null })).toEqual([first.id, second.id]);
    expect(lanes({ ...first, laneInUse: '' }, { ...second, laneInUse: null })).toEqual(['', second.id]);
  });
});

describe('a selection that covers another', () => {
  const names = fc.constantFrom('a', 'b');
  const selection = fc
    .record(
      {
        fleetId: names,
        deviceTags: fc.dictionary(names, names, { maxKeys: 2 }),
        deviceUuids: fc.uniqueArray(names, { minLength: 1 }),
      },
      { requiredKeys: [] },
    )
    .map((one): SelectedDevices => one);
  const device = fc.record({ uuid: names, fleet: fc.option(names), tags: fc.dictionary(names, names, { maxKeys: 2 }) });
  type Device = typeof device extends fc.Arbitrary<infer One> ? One : never;

  function selects({ fleetId, deviceTags = {}, deviceUuids }: SelectedDevices, { uuid, fleet, tags }: Device): boolean {
    return (
      (fleetId === undefined || fleetId === fleet) &&
      Object.entries(deviceTags).every(([key, value]) => tags[key] === value) &&
      (deviceUuids === undefined || deviceUuids.includes(uuid))
    );
  }

  it('selects every device that the other one does', () => {
    fc.assert(
      fc.property(selection, selection, device, (earlier, later, one) => {
        if (covers(earlier, later) && selects(later, one)) expect(selects(earlier, one)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it.each<[SelectedDevices, SelectedDevices, boolean]>([
    [{}, shops, true],
    [shops, {}, false],
    [shops, vehicles, false],
    [{ deviceTags: {} }, {}, true],
    [{ deviceTags: { a: 'b' } }, { deviceTags: { a: 'b', c: 'd' }, fleetId: 'x' }, true],
    [{ deviceUuids: ['1', '2'] }, { deviceUuids: ['2'], fleetId: 'x' }, true],
    [{ deviceUuids: ['1'] }, { deviceUuids: ['1', '2'] }, false],
    [{ deviceUuids: ['1'] }, {}, false],
  ])('%j covers %j: %s', (earlier, later, expected) => {
    expect(covers(earlier, later)).toBe(expected);
  });
});

describe('the workflow id of a lane', () => {
  const lane = '1f0c9a2e-0000-4000-8000-000000000000';
  it('is readable, and read again', () => {
    const id = rolloutWorkflowId('registry.acme.io:5000/edge/app', '7.5', lane);
    expect(id).toBe('rollout:registry.acme.io:5000/edge/app:7.5#1f0c9a2e');
    expect(parseRolloutWorkflowId(id)).toEqual({
      image: 'registry.acme.io:5000/edge/app',
      tag: '7.5',
      lane: '1f0c9a2e',
    });
    expect(parseRolloutWorkflowId('rollout:redis:7#')).toBeNull();
    expect(parseRolloutWorkflowId('rollout:redis:7#a#b')).toBeNull();
  });

  it('counts towards what Temporal takes', () => {
    const image = 'a'.repeat(255 - 'rollout::7'.length);
    expect([fitsWorkflowId(image, '7'), fitsWorkflowId(image, '7', lane)]).toEqual([true, false]);
  });
});
