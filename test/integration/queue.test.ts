import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { appWith } from '../support/fleet-fixture';
import { digestOf, envelope } from '../support/intake';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const HOST = 'registry.example.com:5000';
let stack: TestStack;
let pushes = 0;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

interface Answer {
  outcome: string;
  rollout_id: string;
  message: string;
}

/** A push of its own digest to the tag `edge`: under one workflow id, each a revision of its own. */
async function push(repository: string): Promise<Answer> {
  pushes += 1;
  const body = envelope({
    id: `queue-${String(pushes)}`,
    tag: 'edge',
    digest: digestOf(pushes.toString(16)),
    repository,
  });
  const answer = await fetch(`${stack.apiUrl}/api/v1/webhooks/docker-registry`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect(answer.status).toBe(202);
  return (await answer.json()) as Answer;
}

/** A policy that queues, and devices that run an older tag and are each told alone, so that a rollout takes its time. */
async function slowFleet(repository: string, devices = 3): Promise<void> {
  await stack.policy({
    ...hasty,
    image_pattern: `${HOST}/${repository}:*`,
    batches: Array.from({ length: devices }, () => ({ count: 1 })),
    health: { timeout_seconds: 120, soak_seconds: 5 },
    on_newer: 'queue',
  });
  stack.play(await stack.devices(Array.from({ length: devices }, () => appWith(`${HOST}/${repository}:1`))));
}

async function row(id: string): Promise<Record<string, unknown>> {
  const { rows } = await stack.pool.query<Record<string, unknown>>('select * from image_rollouts where id = $1', [id]);
  return rows[0] ?? {};
}

async function waitingFor(id: string): Promise<unknown> {
  return (await stack.call('GET', `/rollouts/${id}/status`)).body['waiting_for'];
}

test('a push is queued behind the rollout that runs, which completes undisturbed; then it starts by itself', async () => {
  await slowFleet('queue/undisturbed');
  const first = await push('queue/undisturbed');
  expect(first.outcome).toBe('started');
  await stack.reaches(first.rollout_id, ['in_progress']);

  const second = await push('queue/undisturbed');
  const behind = `${first.rollout_id} (${HOST}/queue/undisturbed:edge)`;
  expect(second).toMatchObject({ outcome: 'queued', message: expect.stringContaining(behind) });
  await until(async () => (await waitingFor(second.rollout_id)) === `queued behind rollout ${behind}`);

  // The third takes the place of the second, which has not started.
  const third = await push('queue/undisturbed');
  expect(third.outcome).toBe('queued');
  expect(await row(second.rollout_id)).toMatchObject({ status: 'superseded', run_id: null });

  await stack.reaches(first.rollout_id, ['completed']);
  expect(await row(first.rollout_id)).toMatchObject({ status: 'completed' });
  await stack.reaches(third.rollout_id, ['in_progress']);
  const ended = (await row(first.rollout_id))['ended_at'] as Date;
  const started = (await row(third.rollout_id))['dispatched_at'] as Date;
  // That the end makes it due at once, before its own look, is proven in test/api/queued-pushes.test.ts.
  expect(started.getTime()).toBeGreaterThan(ended.getTime());
  await stack.reaches(third.rollout_id, ['completed'], 90_000);

  const client = await stack.temporalClient();
  const handle = client.workflow.getHandle(
    `rollout:${HOST}/queue/undisturbed:edge`,
    String((await row(first.rollout_id))['run_id']),
  );
  const { events } = await handle.fetchHistory();
  const signals = (events ?? []).map((event) => event.workflowExecutionSignaledEventAttributes?.signalName);
  expect(signals).not.toContain('supersede');
  const { rows } = await stack.pool.query(
    `select count(*)::int as told from rollout_events where rollout_id = $1 and type = 'device.superseded'`,
    [first.rollout_id],
  );
  expect(rows).toEqual([{ told: 0 }]);
});

test('a queued rollout may be cancelled, and gives up after a week with what to do', async () => {
  await slowFleet('queue/bounded');
  const first = await push('queue/bounded');
  await stack.reaches(first.rollout_id, ['in_progress']);
  expect((await stack.call('POST', `/rollouts/${first.rollout_id}/pause`)).status).toBe(202);
  await stack.reaches(first.rollout_id, ['paused']);

  const second = await push('queue/bounded');
  await until(async () => String(await waitingFor(second.rollout_id)).startsWith('queued behind'));
  expect((await stack.call('POST', `/rollouts/${second.rollout_id}/cancel`)).status).toBe(202);
  expect(await row(second.rollout_id)).toMatchObject({ status: 'cancelled', run_id: null });

  const third = await push('queue/bounded');
  await until(async () => String(await waitingFor(third.rollout_id)).startsWith('queued behind'));
  await stack.pool.query(
    `update image_rollouts set created_at = created_at - interval '8 days' where workflow_id = $1`,
    [`rollout:${HOST}/queue/bounded:edge`],
  );
  await stack.reaches(third.rollout_id, ['cancelled']);
  expect((await row(third.rollout_id))['reason']).toMatch(
    new RegExp(`queued for 7 days behind rollout ${first.rollout_id} .*has not ended: cancel that one.*"force": true`),
  );
  expect(await stack.rolloutStatus(first.rollout_id)).toBe('paused');
});
