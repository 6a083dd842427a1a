import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  forgetDeliveries,
  hmac,
  json,
  SECRET,
  startRegistryRig,
  type RegistryRig,
} from '../support/registry-deliveries';
import type { Reply } from './api-rig';

/** Deliveries that are taken once more after an operator has mended what kept them from starting anything. */
let rig: RegistryRig;
beforeAll(async () => {
  rig = await startRegistryRig();
  await policyFor('nexus.acme.io:8082/team/api:*');
});
beforeEach(() => forgetDeliveries(rig));
afterAll(() => rig.close());

async function policyFor(image_pattern: string): Promise<string> {
  const policy = { image_pattern, update_strategy: 'auto' };
  return (await rig.admin('POST', '/api/v1/image-policies', policy)).json.id as string;
}
async function replayNewest(source: string): Promise<Reply> {
  const { json: list } = await rig.admin('GET', `/api/v1/webhook-deliveries?source=${source}`);
  return rig.admin('POST', `/api/v1/webhook-deliveries/${list.webhook_deliveries[0].id}/replay`);
}

const component = { id: '1', componentId: '2', format: 'docker', name: 'team/api', version: '1.4.2' };
const created = { timestamp: '2026-01-01T00:00:00.123+00:00', repositoryName: 'docker-hosted', action: 'CREATED' };
const nexusBody = JSON.stringify({ ...created, component });
const nexus = { kind: 'nexus', secrets: [SECRET] };
const fromNexus = () =>
  rig.deliver('nexus', nexusBody, {
    ...json,
    'x-nexus-webhook-id': 'rm:repository:component',
    'x-nexus-webhook-delivery': 'delivery-1',
    'x-nexus-webhook-signature': hmac('sha1', nexusBody),
  });

test.each<[string, () => Promise<Reply>]>([
  ['sent again', fromNexus],
  ['replayed', () => replayNewest('nexus')],
])('a push that its source could not place is taken when it is %s after the source was mended', async (_, again) => {
  await rig.source('nexus', nexus);
  expect((await fromNexus()).json).toMatchObject({
    outcome: 'ignored',
    message: expect.stringContaining('registry_host'),
  });
  expect((await again()).json.outcome).toBe('ignored');
  await rig.source('nexus', { ...nexus, registry_host: 'nexus.acme.io:8082' });
  expect((await again()).json).toMatchObject({ outcome: 'started', results: [{ registry: 'nexus.acme.io:8082' }] });
  expect((await again()).json.outcome).toBe('duplicate');
});

test('two pushes that nothing but their time tells apart are two, each replayed after the policy was switched on', async () => {
  await rig.source('quay', { kind: 'quay', secrets: [SECRET] });
  const policy = await policyFor('quay.io/acme/api:*');
  const body = { repository: 'acme/api', docker_url: 'quay.io/acme/api', updated_tags: ['latest'] };
  const enable = (enabled: boolean) => rig.admin('PATCH', `/api/v1/image-policies/${policy}`, { enabled });
  for (let push = 0; push < 2; push += 1) {
    await enable(false);
    expect((await rig.deliver('quay', body, json, `?secret=${SECRET}`)).json.outcome).toBe('no_matching_policy');
    await enable(true);
    expect(['started', 'superseding']).toContain((await replayNewest('quay')).json.outcome);
    expect((await replayNewest('quay')).json.outcome).toBe('duplicate');
    // The later push has the row of the one before, and is listed when it came.
    const { json: list } = await rig.admin('GET', '/api/v1/webhook-deliveries?source=quay');
    expect(Date.parse(list.webhook_deliveries[0].received_at)).toBeGreaterThan(Date.now() - 1_800_000);
    await rig.database.pool.query(
      `update webhook_deliveries set received_at = received_at - interval '1 hour', last_received_at = last_received_at - interval '1 hour'`,
    );
  }
});
