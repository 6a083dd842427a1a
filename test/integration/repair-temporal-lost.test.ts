import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { contents, onRollouts, repaired, runRepair, whatAndDoes } from '../support/repair';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const IMAGES = ['redis', 'nginx', 'memcached'] as const;
/** Servers are stopped and started several times: half a minute, many times that on a loaded machine. */
const LONGEST_MS = 600_000;
const DEVICES = 10;
const TAG = '2';

let stack: TestStack;
let devices: Record<(typeof IMAGES)[number], DeviceCredentials[]>;
beforeAll(async () => {
  stack = await startTestStack();
  const made = await stack.devices(
    IMAGES.flatMap((image) => Array.from({ length: DEVICES }, () => appWith(`${image}:1`))),
  );
  const of = (index: number) => made.slice(index * DEVICES, (index + 1) * DEVICES);
  devices = { redis: of(0), nginx: of(1), memcached: of(2) };
});
afterAll(async () => {
  await stack.close();
});
const { command, becomes, firstBatchPassed } = onRollouts(() => stack);

const rolloutOf = async (image: string) => String((await stack.push(image, TAG)).body['rollout_id']);
const versions = async (image: keyof typeof devices) =>
  (
    await stack.pool.query<{ version: number; tag: string }>(
      `select version::int, apps -> '1002' -> 'services' -> 0 ->> 'imageName' as tag from device_target_state where device_uuid = any ($1)`,
      [devices[image].map(({ uuid }) => uuid)],
    )
  ).rows.map(({ version, tag }) => [version, tag]);

/** Temporal starts anew, and knows nothing. */
async function loseTemporal(): Promise<void> {
  await stack.temporal?.stop();
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(stack.directory, `temporal.db${suffix}`), { force: true });
  await stack.temporal?.start();
}

test(
  "Temporal's store is lost while one rollout runs, one is paused and one is put back: each goes on, and nobody is told twice",
  async () => {
    const staged = { ...hasty, batches: [{ percent: 10 }, { percent: 100 }] };
    await stack.policy({ ...staged, image_pattern: 'redis:*', batch_delay_seconds: 900 });
    await stack.policy({ ...staged, image_pattern: 'nginx:*', batch_delay_seconds: 900 });
    await stack.policy({ ...staged, image_pattern: 'memcached:*', batches: [{ percent: 100 }] });
    stack.play([...devices.redis, ...devices.nginx]);
    const [running, paused, back] = [await rolloutOf('redis'), await rolloutOf('nginx'), await rolloutOf('memcached')];
    await firstBatchPassed(running);
    await firstBatchPassed(paused);
    await command(paused, 'pause', 'looks odd');
    await becomes(paused, 'paused');
    await until(async () => (await versions('memcached')).every(([version]) => version === 2));
    await command(back, 'rollback', 'it is slow');
    await until(async () => (await versions('memcached')).every(([version]) => version === 3));

    await loseTemporal();
    const before = await contents(stack);
    const found = await repaired(stack);
    expect(whatAndDoes(found)).toEqual([
      ...['FleetwaveImage', 'FleetwaveTag', 'FleetwaveStatus'].map((name) => [
        'Temporal',
        `search attribute ${name}`,
        'makes it',
      ]),
      ...['maintenance', 'reconcile'].map((name) => ['Temporal', `schedule fleetwave-${name}`, 'makes it']),
      ...[running, paused, back].map((id, index) => [
        `rollout ${id}`,
        `docker.io/library/${IMAGES[index] ?? ''}:2`,
        'starts its workflow again; it goes on from its row',
      ]),
    ]);
    expect(found.slice(5).map(({ why }) => why)).toEqual(
      Array.from({ length: 3 }, () => 'Temporal does not know its workflow any more'),
    );
    expect(await contents(stack)).toEqual(before);

    const done = await runRepair(stack, '--apply');
    expect(done).toContain('8 found, all done.');
    await until(async () => (await repaired(stack)).length === 0, 60_000);
    expect(await runRepair(stack, '--apply')).toBe('Nothing to repair: the database and Temporal agree.\n');

    await command(running, 'advance', 'do not wait');
    await stack.reaches(running, ['completed'], 90_000);
    expect(await versions('redis')).toEqual(Array.from({ length: DEVICES }, () => [2, 'redis:2']));

    const { body } = await stack.call('GET', `/rollouts/${paused}/status`);
    expect(body).toMatchObject({ status: 'paused', waiting_for: expect.stringContaining('looks odd') });
    expect((await versions('nginx')).filter(([version]) => version === 2)).toHaveLength(1);
    await command(paused, 'resume', 'it was nothing');
    await becomes(paused, 'in_progress');
    await command(paused, 'advance', 'do not wait');
    await stack.reaches(paused, ['completed'], 90_000);
    expect(await versions('nginx')).toEqual(Array.from({ length: DEVICES }, () => [2, 'nginx:2']));

    stack.play(devices.memcached);
    await stack.reaches(back, ['rolled_back'], 90_000);
    expect(await versions('memcached')).toEqual(Array.from({ length: DEVICES }, () => [3, 'memcached:1']));
    const { rows } = await stack.pool.query<{ reason: string }>('select reason from image_rollouts where id = $1', [
      back,
    ]);
    expect(rows[0]?.reason).toContain('it is slow');
  },
  LONGEST_MS,
);
