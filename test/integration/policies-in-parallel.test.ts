import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

interface Result {
  outcome: string;
  policy_id: string;
  rollout_id: string;
}

async function inFleet(fleetId: string, count: number, image: string): Promise<{ uuid: string; apiKey: string }[]> {
  const devices = Array.from({ length: count }, () => ({ fleet_id: fleetId, target_state: { apps: appWith(image) } }));
  const { status, body } = await stack.call('POST', '/devices', { devices });
  expect(status).toBe(201);
  return (body['devices'] as { uuid: string; api_key: string }[]).map(({ uuid, api_key: apiKey }) => ({
    uuid,
    apiKey,
  }));
}

async function devicesOf(rolloutId: string): Promise<string[]> {
  const { body } = await stack.call('GET', `/rollouts/${rolloutId}/devices`);
  return (body['devices'] as { device_uuid: string }[]).map((device) => device.device_uuid).sort();
}

test('two policies with disjoint fleets: one push, two rollouts in progress at once, both completed, one workflow each', async () => {
  const image_pattern = 'acme/parallel:*';
  // Each holds its first batch for some seconds, so that both must be seen under way together.
  const soaking = { ...hasty, image_pattern, health: { timeout_seconds: 120, soak_seconds: 10 } };
  const shops = await stack.policy({ ...soaking, fleet_id: 'shops' });
  const vehicles = await stack.policy({ ...soaking, fleet_id: 'vehicles' });
  const inShops = await inFleet('shops', 4, 'acme/parallel:1');
  const inVehicles = await inFleet('vehicles', 3, 'acme/parallel:1');
  stack.play([...inShops, ...inVehicles]);

  const { status, body } = await stack.push('acme/parallel', '2');
  expect([status, body['outcome']]).toEqual([202, 'started']);
  const results = body['results'] as Result[];
  expect(results.map((result) => [result.outcome, result.policy_id])).toEqual([
    ['started', shops],
    ['started', vehicles],
  ]);
  const [first = '', second = ''] = results.map((result) => result.rollout_id);

  const statuses = (): Promise<string[]> => Promise.all([stack.rolloutStatus(first), stack.rolloutStatus(second)]);
  await until(async () => (await statuses()).every((one) => one === 'in_progress'));
  await stack.reaches(first, ['completed']);
  await stack.reaches(second, ['completed']);

  expect(await devicesOf(first)).toEqual(inShops.map((device) => device.uuid).sort());
  expect(await devicesOf(second)).toEqual(inVehicles.map((device) => device.uuid).sort());
  for (const { uuid } of [...inShops, ...inVehicles]) {
    const state = await stack.call('GET', `/devices/${uuid}/target-state`);
    expect(state.body['apps']).toEqual(appWith('acme/parallel:2'));
  }
  const workflowId = 'rollout:docker.io/acme/parallel:2';
  expect(await stack.executions(workflowId)).toBe(1);
  expect(await stack.executions(`${workflowId}#${vehicles.slice(0, 8)}`)).toBe(1);
  for (const id of [first, second]) {
    const { body: shown } = await stack.call('GET', `/rollouts/${id}`);
    expect(shown).toMatchObject({ status: 'completed', counts: { skipped: 0, failed: 0 } });
  }

  const repeated = await stack.push('acme/parallel', '2');
  expect((repeated.body['results'] as Result[]).map((result) => [result.outcome, result.rollout_id])).toEqual([
    ['duplicate', first],
    ['duplicate', second],
  ]);
  expect(await stack.executions(workflowId)).toBe(1);
});
