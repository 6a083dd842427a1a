import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const DEVICES = 20;

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  stack.play(await stack.devices(Array.from({ length: DEVICES }, () => appWith('redis:7-alpine'))));
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === DEVICES);
});
afterAll(async () => {
  await stack.close();
});

async function versions(): Promise<number[]> {
  const { rows } = await stack.pool.query<{ version: number }>('select distinct version from device_target_state');
  return rows.map(({ version }) => version);
}

test('with Temporal down a push is accepted; its rollout starts, once, when Temporal is back', async () => {
  const policy = await stack.policy({ ...hasty, image_pattern: 'redis:*' });
  await stack.temporal?.stop();
  const { status, body } = await stack.push('redis', '7.5-alpine');
  expect([status, body['outcome']]).toEqual([202, 'started']);
  const rolloutId = String(body['rollout_id']);
  await until(
    async () => (await stack.pool.query('select from image_rollouts where dispatch_error is not null')).rowCount === 1,
    60_000,
  );
  expect(await stack.rolloutStatus(rolloutId)).toBe('pending');

  await stack.temporal?.start();
  await stack.reaches(rolloutId, ['completed'], 90_000);
  expect(await stack.executions('rollout:docker.io/library/redis:7.5-alpine')).toBe(1);
  expect(await versions()).toEqual([2]);
  await stack.call('DELETE', `/image-policies/${policy}`);
});

test('with PostgreSQL down a push gets 503 with Retry-After; with it back the API works, and a running rollout goes on', async () => {
  await stack.policy({
    ...hasty,
    image_pattern: 'redis:*',
    batches: [{ percent: 10 }, { percent: 100 }],
    batch_delay_seconds: 20,
  });
  const rolloutId = String((await stack.push('redis', '7.6-alpine')).body['rollout_id']);
  // The first batch has passed, the second is still to come: there is work on both sides of the outage.
  await until(
    async () =>
      (await stack.pool.query(`select from rollout_batches where rollout_id = $1 and status = 'passed'`, [rolloutId]))
        .rowCount === 1,
  );
  await stack.postgres?.stop();
  const refused = await stack.push('redis', '7.7-alpine');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('content-type')).toContain('application/problem+json');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused.body).toMatchObject({ status: 503, title: expect.any(String), detail: expect.any(String) });
  expect((await stack.call('GET', '/rollouts')).status).toBe(503);

  await stack.postgres?.start();
  await until(async () => (await fetch(`${stack.apiUrl}/readyz`)).status === 200);
  await stack.reaches(rolloutId, ['completed'], 90_000);
  expect(await versions()).toEqual([3]);

  const again = await stack.push('redis', '7.7-alpine');
  expect([again.status, again.body['outcome']]).toEqual([202, 'started']);
  await stack.reaches(String(again.body['rollout_id']), ['completed'], 90_000);
  expect(await versions()).toEqual([4]);
  expect((await stack.pool.query(`select from image_rollouts where tag = '7.7-alpine'`)).rowCount).toBe(1);
});

test('a running rollout goes on when the API and PostgreSQL are killed with -9', async () => {
  const rolloutId = String((await stack.push('redis', '7.8-alpine')).body['rollout_id']);
  await until(
    async () =>
      (await stack.pool.query(`select from rollout_batches where rollout_id = $1 and status = 'passed'`, [rolloutId]))
        .rowCount === 1,
  );
  const before = [stack.api.pid, stack.postgres?.pid];
  stack.api.kill('SIGKILL');
  stack.postgres?.kill('SIGKILL');
  await until(() => Promise.resolve(stack.api.pid !== before[0] && stack.postgres?.pid !== before[1]), 60_000);
  await until(async () => (await stack.pool.query('select 1').catch(() => null)) !== null, 60_000);
  await stack.reaches(rolloutId, ['completed'], 90_000);
  expect(await versions()).toEqual([5]);
});
