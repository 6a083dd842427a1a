import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { quick, startFieldStack, type FieldStack } from '../support/field-stack';

/** Fields that say who comes when, and how long is waited for what, as seen from outside. */
let stack: FieldStack;
beforeAll(async () => {
  stack = await startFieldStack();
});
afterAll(async () => {
  await stack.close();
});

const HOUR_MS = 3_600_000;
async function rollOut(
  name: string,
  fields: object,
  devices: number | object[],
): Promise<{ id: string; fleet: DeviceCredentials[] }> {
  const repository = `fields/${name}`;
  await stack.policy({ ...quick, image_pattern: `${repository}:*`, ...fields });
  const fleet = await stack.fleet(repository, devices);
  return { id: await stack.starts(repository, '2'), fleet };
}
async function report(devices: readonly DeviceCredentials[]): Promise<void> {
  for (const device of devices) await stack.report(device);
}
async function told(fleet: readonly DeviceCredentials[]): Promise<DeviceCredentials[]> {
  const targets = await stack.targets(fleet);
  return fleet.filter((_, index) => targets[index] === '2');
}
const command = async (id: string, name: string, body?: object): Promise<void> => {
  expect((await stack.call('POST', `/rollouts/${id}/${name}`, body)).status).toBe(202);
};

describe('update_strategy', () => {
  test('auto tells all devices at once, whatever the batches', async () => {
    const { id, fleet } = await rollOut(
      'auto',
      { update_strategy: 'auto', batches: [{ count: 1 }, { percent: 100 }] },
      3,
    );
    await stack.counts(id, { told: 3 });
    await report(fleet);
    expect((await stack.becomes(id, 'completed')).batches).toMatchObject([{ planned: 3, status: 'passed' }]);
  });

  test('staged goes batch by batch: the second is told when the first is healthy', async () => {
    const { id, fleet } = await rollOut('staged', { batches: [{ count: 1 }, { percent: 100 }] }, 3);
    await stack.counts(id, { told: 1 });
    const first = await told(fleet);
    expect(first).toHaveLength(1);
    await report(first);
    await stack.counts(id, { told: 2 });
    await report(fleet);
    await stack.becomes(id, 'completed');
  });

  test('manual waits for approve before its start, and rejecting it changes nobody', async () => {
    const { id, fleet } = await rollOut('manual', { update_strategy: 'manual' }, 2);
    await stack.becomes(id, 'awaiting_approval');
    expect(await stack.targets(fleet)).toEqual(['1', '1']);
    await command(id, 'approve');
    await stack.counts(id, { told: 2 });
    expect(await stack.targets(fleet)).toEqual(['2', '2']);
    await stack.policy({ ...quick, image_pattern: 'fields/refused:*', update_strategy: 'manual' });
    const others = await stack.fleet('fields/refused', 1);
    const refused = await stack.starts('fields/refused', '2');
    await stack.becomes(refused, 'awaiting_approval');
    await command(refused, 'reject');
    await stack.becomes(refused, 'cancelled');
    expect(await stack.targets(others)).toEqual(['1']);
  });
});

test('requires_approval asks before the first batch under any strategy', async () => {
  const { id, fleet } = await rollOut('approval', { requires_approval: true }, 1);
  await stack.becomes(id, 'awaiting_approval');
  expect(await stack.targets(fleet)).toEqual(['1']);
  await command(id, 'approve');
  await stack.counts(id, { told: 1 });
});

describe('batches', () => {
  test.each([
    ['percent', [{ percent: 25 }, { percent: 50 }, { percent: 100 }], [1, 1, 2]],
    ['count', [{ count: 1 }, { count: 2 }, { percent: 100 }], [1, 2, 1]],
    ['growing', { start: 1, factor: 2, max: 2 }, [1, 2, 1]],
  ])('by %s are cut so', async (name, batches, planned) => {
    const { id } = await rollOut(`by-${name}`, { batches }, 4);
    await stack.counts(id, { told: 1 });
    expect((await stack.rollout(id)).batches.map((batch) => batch.planned)).toEqual(planned);
  });

  test('by tag and by fleet take the devices that are named first', async () => {
    const { id, fleet } = await rollOut(
      'by-selector',
      { batches: [{ tag: 'ring:canary' }, { fleet_id: 'lab' }, { percent: 100 }] },
      [{}, { fleet_id: 'lab' }, { tags: { ring: 'canary' } }, { fleet_id: 'lab' }],
    );
    await stack.counts(id, { told: 1 });
    expect(await stack.targets(fleet)).toEqual(['1', '1', '2', '1']);
    await report(fleet.slice(2, 3));
    await stack.counts(id, { told: 2 });
    expect(await stack.targets(fleet)).toEqual(['1', '2', '2', '2']);
  });

  test('a batch with approval asks before it is told, not before the others', async () => {
    const { id, fleet } = await rollOut(
      'batch-approval',
      { batches: [{ count: 1 }, { percent: 100, approval: true }] },
      2,
    );
    await stack.counts(id, { told: 1 });
    await report(fleet);
    await stack.waitsFor(id, 'approval of batch 2');
    expect(await told(fleet)).toHaveLength(1);
    await command(id, 'approve');
    await stack.counts(id, { told: 1 });
    expect(await told(fleet)).toHaveLength(2);
  });

  test('a batch with a delay of its own waits for that, advance ends it', async () => {
    const { id, fleet } = await rollOut(
      'own-delay',
      { batches: [{ count: 1 }, { percent: 100, delay_seconds: 7200 }] },
      2,
    );
    await stack.counts(id, { told: 1 });
    await report(fleet);
    const { since, until } = await stack.waitsFor(id, 'the delay before batch 2');
    expect(Date.parse(String(until)) - Date.parse(String(since))).toBe(2 * HOUR_MS);
    await command(id, 'advance');
    await stack.counts(id, { told: 1 });
  });

  test('a batch with a soak of its own is waited for that long', async () => {
    const { id, fleet } = await rollOut('own-soak', { batches: [{ percent: 100, soak_seconds: 3600 }] }, 1);
    await stack.counts(id, { told: 1 });
    await report(fleet);
    await stack.counts(id, { soaking: 1 });
    expect((await stack.becomes(id, 'in_progress')).counts).toMatchObject({ soaking: 1, healthy: 0 });
    await command(id, 'advance');
    await stack.becomes(id, 'completed');
  });
});

test('batch_delay_seconds comes between two batches', async () => {
  const { id, fleet } = await rollOut(
    'delay',
    { batches: [{ count: 1 }, { percent: 100 }], batch_delay_seconds: 3600 },
    2,
  );
  await stack.counts(id, { told: 1 });
  await report(fleet);
  const { since, until } = await stack.waitsFor(id, 'the delay before batch 2');
  expect(Date.parse(String(until)) - Date.parse(String(since))).toBe(HOUR_MS);
  expect(await told(fleet)).toHaveLength(1);
});

describe('health', () => {
  test('timeout_seconds: a device that says nothing in that time is unreachable, one that does not get there timed out', async () => {
    const health = { timeout_seconds: 20, soak_seconds: 0 };
    const { id, fleet } = await rollOut('timeout', { health, max_failure_rate: 1 }, 2);
    await stack.counts(id, { told: 2 });
    await stack.report(fleet[0] as DeviceCredentials, 'created');
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ timed_out: 1, unreachable: 1 });
  });

  test('soak_seconds: a device has to stay healthy that long, and one that falls back meanwhile has failed', async () => {
    const health = { timeout_seconds: 120, soak_seconds: 3600 };
    const { id, fleet } = await rollOut('soak', { health }, 1);
    await stack.counts(id, { told: 1 });
    await report(fleet);
    await stack.counts(id, { soaking: 1 });
    await stack.report(fleet[0] as DeviceCredentials, 'exited');
    expect((await stack.becomes(id, 'rolling_back')).batches).toMatchObject([{ status: 'failed' }]);
    const short = await rollOut('short-soak', { health: { timeout_seconds: 120, soak_seconds: 1 } }, 1);
    await stack.counts(short.id, { told: 1 });
    await report(short.fleet);
    expect((await stack.becomes(short.id, 'completed')).counts).toMatchObject({ healthy: 1 });
  });

  test('checks: with container_running the new image alone is not enough', async () => {
    const health = { ...quick.health, checks: [{ kind: 'container_running' }] };
    const { id, fleet } = await rollOut('checks', { health }, 1);
    await stack.counts(id, { told: 1 });
    await stack.report(fleet[0] as DeviceCredentials, 'starting');
    await stack.counts(id, { updating: 1 });
    expect((await stack.rollout(id)).counts).toMatchObject({ updating: 1, healthy: 0 });
    await report(fleet);
    expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ healthy: 1 });
  });
});
