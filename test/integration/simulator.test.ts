import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Profile } from '../../src/agent/simulator/profile';
import { startSimulation, type Simulation } from '../../src/agent/simulator/simulation';
import { until } from '../support/outage';
import { startTestStack, type TestStack } from '../support/stack-fixture';

const DIGEST = `sha256:${'d'.repeat(64)}`;

let stack: TestStack;
let simulation: Simulation;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await simulation.stop();
  await stack.close();
});

/** Each behaviour once or twice among twenty; the release is neither good nor bad, so that everybody is told. */
const profile = Profile.parse({
  update_seconds: [0.1, 0.3],
  behaviours: {
    slow_pull: { percent: 5, seconds: 2 },
    crash_loop: { percent: 10, every_seconds: 0.3 },
    silent: { percent: 5 },
    rejects: { percent: 10 },
    reverts: { percent: 10, after_seconds: 3 },
    late_joiner: { percent: 10, after_seconds: 20 },
    wrong_digest: { percent: 10 },
  },
});

test('a rollout to a simulated fleet ends for each device as the rules say about what it does', async () => {
  await stack.policy({
    image_pattern: 'redis:*',
    update_strategy: 'staged',
    batches: [{ percent: 100 }],
    batch_delay_seconds: 0,
    health: { timeout_seconds: 60, soak_seconds: 15 },
    on_failure: 'continue',
    max_failure_rate: 1,
    offline: { catch_up_hours: 1 },
  });
  simulation = await startSimulation({
    apiUrl: stack.apiUrl,
    profile,
    devices: 20,
    seed: 'test',
    fleetId: 'simulated',
    pollIntervalMs: 400,
    waitSeconds: 25,
    create: async (devices) => {
      const { body } = await stack.call('POST', '/devices', { devices });
      return (body['devices'] as { uuid: string; api_key: string }[]).map(({ uuid, api_key: apiKey }) => ({
        uuid,
        apiKey,
      }));
    },
  });
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === 18);
  const answer = await stack.call('POST', '/images/trigger-update', { image: `redis:7.5@${DIGEST}` });
  const rolloutId = String(answer.body['rollout_id']);

  const ends = async () => {
    const { rows } = await stack.pool.query<{ uuid: string; status: string }>(
      'select device_uuid as uuid, status from device_rollout_status where rollout_id = $1',
      [rolloutId],
    );
    const found: Record<string, string[]> = {};
    for (const { uuid, status } of rows) (found[simulation.behaviourOf(uuid) ?? ''] ??= []).push(status);
    return Object.fromEntries(Object.entries(found).map(([name, statuses]) => [name, statuses.sort().join(' ')]));
  };
  const expected = {
    healthy: Array(8).fill('completed').join(' '),
    slow_pull: 'completed',
    crash_loop: 'failed failed',
    // It was heard when it fetched the target, less than 90 seconds before its deadline.
    silent: 'timed_out',
    rejects: 'failed failed',
    reverts: 'failed failed',
    wrong_digest: 'timed_out timed_out',
    late_joiner: 'completed completed',
  };
  const same = (found: object) =>
    Object.entries(expected).every(([name, end]) => (found as Record<string, string>)[name] === end);
  await until(async () => same(await ends()), 240_000).catch(() => undefined);
  expect(await ends()).toEqual(expected);
  expect(simulation.summary()).toMatchObject({ devices: 20, silent: 1 });
});
