import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pushImage } from '../../src/dev/push-image';
import { startRegistry, type RegistryServer } from '../../src/dev/registry';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const directory = mkdtempSync(join(tmpdir(), 'fleetwave-registry-rollout-'));
let stack: TestStack;
let registry: RegistryServer | undefined;

beforeAll(async () => {
  stack = await startTestStack();
  registry = await startRegistry({ directory, notify: { url: `${stack.apiUrl}/api/v1/webhooks/docker-registry` } });
});
afterAll(async () => {
  await registry?.stop();
  await stack.close();
  rmSync(directory, { recursive: true, force: true });
});

test("an image pushed to Debian's registry goes out to a simulated fleet by the registry's own notification", async () => {
  if (registry === undefined) throw new Error('docker-registry is not installed: apt-get install docker-registry');
  const image = `${registry.host}/edge/cache`;
  await stack.policy({ ...hasty, image_pattern: `${image}:*` });
  const fields = ['imageName', 'config.image', 'both'] as const;
  const devices = await stack.devices(
    Array.from({ length: 30 }, (_, index) => appWith(`${image}:7.${String(index % 4)}`, fields[index % 3])),
  );
  const fleet = stack.play(devices);
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === devices.length);

  const { digest } = await pushImage({
    registry: registry.host,
    repository: 'edge/cache',
    tag: '7.5',
    content: 'seven and a half',
  });
  let rolloutId = '';
  await until(async () => {
    const { rows } = await stack.pool.query<{ id: string }>('select id from image_rollouts');
    rolloutId = rows[0]?.id ?? '';
    return rolloutId !== '';
  });
  await stack.reaches(rolloutId, ['completed']);

  expect((await stack.call('GET', `/rollouts/${rolloutId}`)).body).toMatchObject({
    image: 'edge/cache',
    registry: registry.host,
    repository: 'edge/cache',
    tag: '7.5',
    digest,
    trigger: 'webhook',
    counts: { planned: 30, attempted: 30, healthy: 30 },
    batches: [{ planned: 3 }, { planned: 12 }, { planned: 15 }],
  });
  expect(fleet.summary()).toMatchObject({ errors: 0, containers: { [`${image}:7.5`]: { running: 30, exited: 0 } } });
  // One push makes several notifications (blobs, a pull of the manifest): one rollout.
  expect((await stack.pool.query('select from image_rollouts')).rowCount).toBe(1);
});
