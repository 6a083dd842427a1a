import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  stack.temporal?.kill('SIGCONT');
  await stack.close();
});

async function dispatch(rolloutId: string): Promise<{ attempts: number; dispatched: boolean }> {
  const { rows } = await stack.pool.query<{ attempts: number; dispatched: boolean }>(
    'select dispatch_attempts as attempts, dispatched_at is not null as dispatched from image_rollouts where id = $1',
    [rolloutId],
  );
  return rows[0] ?? { attempts: 0, dispatched: false };
}

test('the API killed with -9 between accepting a push and starting its workflow: it is started, once', async () => {
  await stack.policy({ ...hasty, image_pattern: 'redis:*' });
  stack.play(await stack.devices(Array.from({ length: 10 }, () => appWith('redis:7-alpine'))));
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === 10);

  // Frozen, not stopped: the start is sent and may yet be done when Temporal goes on, long after its sender is dead.
  stack.temporal?.kill('SIGSTOP');
  const { status, body } = await stack.push('redis', '7.5-alpine');
  expect([status, body['outcome']]).toEqual([202, 'started']);
  const rolloutId = String(body['rollout_id']);
  await until(async () => (await dispatch(rolloutId)).attempts === 1);
  const before = stack.api.pid;
  stack.api.kill('SIGKILL');
  await until(() => Promise.resolve(stack.api.pid !== before), 60_000);
  expect(await dispatch(rolloutId)).toMatchObject({ dispatched: false });
  expect(await stack.rolloutStatus(rolloutId)).toBe('pending');
  // The registry asks again, as it does after an answer it did not see.
  expect((await stack.push('redis', '7.5-alpine')).body).toMatchObject({ outcome: 'duplicate', rollout_id: rolloutId });

  stack.temporal?.kill('SIGCONT');
  await stack.reaches(rolloutId, ['completed'], 90_000);
  expect(await dispatch(rolloutId)).toMatchObject({ dispatched: true });
  expect(await stack.executions('rollout:docker.io/library/redis:7.5-alpine')).toBe(1);
  const { rows } = await stack.pool.query('select distinct version from device_target_state');
  expect(rows).toEqual([{ version: 2 }]);
});
