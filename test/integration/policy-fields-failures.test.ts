import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeviceCredentials } from '../../src/agent/simulator/fleet';
import { quick, startFieldStack, type FieldStack } from '../support/field-stack';

/** Fields that say what a failure is and what becomes of it, as seen from outside. */
let stack: FieldStack;
beforeAll(async () => {
  stack = await startFieldStack();
});
afterAll(async () => {
  await stack.close();
});

/** A rollout of `fields/<name>:2` to so many devices, all of the first batch told. */
async function rollOut(
  name: string,
  fields: object,
  devices: number,
  told = devices,
): Promise<{ id: string; fleet: DeviceCredentials[] }> {
  const repository = `fields/${name}`;
  await stack.policy({ ...quick, image_pattern: `${repository}:*`, ...fields });
  const fleet = await stack.fleet(repository, devices);
  const id = await stack.starts(repository, '2');
  await stack.counts(id, { told });
  const targets = await stack.targets(fleet);
  // Those that are told come first: which ones they are is the plan's business.
  return { id, fleet: [...fleet].sort((a, b) => rank(targets[fleet.indexOf(a)]) - rank(targets[fleet.indexOf(b)])) };
}
const rank = (tag: string | undefined): number => (tag === '2' ? 0 : 1);
async function reports(devices: readonly DeviceCredentials[], status = 'running'): Promise<void> {
  for (const device of devices) await stack.report(device, status);
}

describe('max_failure_rate', () => {
  test.each([
    [0.5, 'completed', 'all_settled'],
    [0.4, 'rolling_back', 'failure_rate'],
  ])('of %d with one of two failed: %s', async (max_failure_rate, status, rule) => {
    const { id, fleet } = await rollOut(`rate-${String(max_failure_rate * 10)}`, { max_failure_rate }, 2);
    await reports(fleet.slice(0, 1), 'exited');
    await reports(fleet.slice(1));
    expect((await stack.becomes(id, status)).batches).toMatchObject([{ rule }]);
  });
});

test('max_failures stops at so many, whatever the share', async () => {
  const { id, fleet } = await rollOut('max-failures', { max_failure_rate: 1, max_failures: 1 }, 4);
  await reports(fleet.slice(0, 2), 'exited');
  expect((await stack.becomes(id, 'rolling_back')).batches).toMatchObject([{ status: 'failed', rule: 'max_failures' }]);
});

test('min_sample is how many have to be settled before the share is judged', async () => {
  const hasty = await rollOut('sample-1', { min_sample: 1, max_failure_rate: 0.2 }, 4);
  await reports(hasty.fleet.slice(0, 1), 'exited');
  await stack.becomes(hasty.id, 'rolling_back');
  expect(await stack.event(hasty.id, 'rollout.batch_failed')).toEqual({
    ...{ rule: 'failure_rate', counts: { failed: 1, scheduled: 3 } },
  });
  const patient = await rollOut('sample-4', { min_sample: 4, max_failure_rate: 0.2 }, 4);
  await reports(patient.fleet.slice(0, 1), 'exited');
  await reports(patient.fleet.slice(1));
  await stack.becomes(patient.id, 'rolling_back');
  expect(await stack.event(patient.id, 'rollout.batch_failed')).toEqual({
    ...{ rule: 'failure_rate', counts: { failed: 1, completed: 3 } },
  });
});

describe('on_failure', () => {
  const two = { batches: [{ count: 2 }, { percent: 100 }], max_failure_rate: 0.2 };

  test('rollback puts every device back, healthy or not, and ends rolled_back', async () => {
    const { id, fleet } = await rollOut('rollback', { ...two, on_failure: 'rollback' }, 3, 2);
    await reports(fleet.slice(0, 1));
    await reports(fleet.slice(1, 2), 'exited');
    await stack.becomes(id, 'rolling_back');
    await stack.counts(id, { rolling_back: 2 });
    expect(await stack.targets(fleet)).toEqual(['1', '1', '1']);
    await reports(fleet.slice(0, 2));
    expect((await stack.becomes(id, 'rolled_back')).counts).toMatchObject({ rolled_back: 2, skipped: 1 });
    expect((await stack.push('fields/rollback', '2')).body).toMatchObject({ outcome: 'held' });
  });

  test('rollback_failed puts back those that failed, leaves the healthy ones, and ends failed', async () => {
    const { id, fleet } = await rollOut('rollback-failed', { ...two, on_failure: 'rollback_failed' }, 3, 2);
    await reports(fleet.slice(0, 1));
    await reports(fleet.slice(1, 2), 'exited');
    await stack.becomes(id, 'rolling_back');
    await stack.counts(id, { rolling_back: 1 });
    expect(await stack.targets(fleet)).toEqual(['2', '1', '1']);
    await reports(fleet.slice(1, 2));
    expect(await stack.becomes(id, 'failed')).toMatchObject({
      counts: { healthy: 1, rolled_back: 1, skipped: 1 },
      error: expect.stringContaining('1 healthy keep the new one'),
    });
  });

  test('pause waits for a person, who may go on in spite of it: the same failures do not stop it again', async () => {
    const { id, fleet } = await rollOut('pause', { ...two, on_failure: 'pause' }, 3, 2);
    await reports(fleet.slice(0, 1));
    await reports(fleet.slice(1, 2), 'exited');
    await stack.becomes(id, 'paused');
    expect((await stack.status(id)).waiting_for).toMatch(/^resume .*1 of 2 devices of this batch failed/);
    expect(await stack.targets(fleet)).toEqual(['2', '2', '1']);
    expect((await stack.call('POST', `/rollouts/${id}/resume`)).status).toBe(202);
    await stack.counts(id, { attempted: 3 });
    await reports(fleet.slice(2));
    expect(await stack.becomes(id, 'completed')).toMatchObject({
      counts: { healthy: 2, failed: 1 },
      batches: [{ status: 'failed' }, { status: 'passed' }],
    });
  });

  test('continue goes on by itself, and says that it did', async () => {
    const { id, fleet } = await rollOut('continue', { ...two, on_failure: 'continue' }, 3, 2);
    await reports(fleet.slice(0, 1));
    await reports(fleet.slice(1, 2), 'exited');
    await stack.counts(id, { attempted: 3 });
    await reports(fleet.slice(2));
    expect(await stack.becomes(id, 'completed')).toMatchObject({
      reason: '2 of 3 healthy, 1 failed',
      batches: [{ status: 'failed', rule: 'failure_rate' }, { status: 'passed' }],
    });
    await stack.event(id, 'rollout.continued_after_failure');
  });
});

test('rollback_timeout_seconds is how long a rollback is waited for: then it ends failed and lists the devices', async () => {
  const { id, fleet } = await rollOut('rollback-timeout', { rollback_timeout_seconds: 1 }, 1);
  await reports(fleet, 'exited');
  expect(await stack.becomes(id, 'failed')).toMatchObject({
    counts: { rollback_failed: 1 },
    error: expect.stringContaining('did not confirm it in time'),
  });
  expect(await stack.targets(fleet)).toEqual(['1']);
});

test('retry.attempts and retry.delay_seconds tell a failed device again, with a version of its own', async () => {
  const { id, fleet } = await rollOut('retry', { max_failure_rate: 1, retry: { attempts: 2, delay_seconds: 3600 } }, 1);
  const [device] = fleet as [DeviceCredentials];
  const told = await stack.version(device);
  await reports(fleet, 'exited');
  const { since, until } = await stack.waitsFor(id, 'try 2 of 1 device');
  expect(Date.parse(String(until)) - Date.parse(String(since))).toBe(3_600_000);
  expect((await stack.call('POST', `/rollouts/${id}/advance`)).status).toBe(202);
  await stack.counts(id, { told: 1 });
  expect(await stack.version(device)).toBe(told + 1);
  await reports(fleet);
  expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ healthy: 1, failed: 0 });
});

test('without retry a failed device is told once', async () => {
  const { id, fleet } = await rollOut('no-retry', { max_failure_rate: 1 }, 1);
  await reports(fleet, 'exited');
  expect((await stack.becomes(id, 'completed')).counts).toMatchObject({ failed: 1 });
});
