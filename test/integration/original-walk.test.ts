import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/outage';
import { startTestStack, type TestStack } from '../support/stack-fixture';

/** The walk by which the system that Fleetwave takes over from was measured (docs/original-faults.md), over HTTP. */
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});

const APPS = '{"1002":{"services":[{"imageName":"redis:7-alpine","config":{"ports":["6356:6379"]}}]}}';

test("the original's walk: one push, 202 with its five fields, version 4, one string changed, one workflow", async () => {
  await stack.policy({ image_pattern: 'redis:*', update_strategy: 'staged' });
  const [device] = await stack.devices([{}]);
  const uuid = device?.uuid ?? '';
  // The document as text, to compare it as text: version 1 is the creation, these are 2 and 3.
  for (const version of [2, 3]) {
    const edited = await stack.call('PUT', `/devices/${uuid}/target-state`, { apps: JSON.parse(APPS) as object });
    expect(edited).toMatchObject({ status: 200, body: { version } });
  }
  const before = await target(uuid);
  await recordStates();

  const answer = await stack.push('redis', '7.5-alpine');
  expect(answer.status).toBe(202);
  const { message, rollout_id: rolloutId, strategy, image, tag } = answer.body;
  expect({ message, strategy, image, tag }).toEqual({
    message: 'Webhook processed successfully',
    strategy: 'staged',
    image: 'redis',
    tag: '7.5-alpine',
  });
  expect(rolloutId).toMatch(/^[0-9a-f-]{36}$/);

  await stack.reaches(String(rolloutId), ['in_progress']);
  await until(async () => (await states(uuid)).length === 2);
  expect(await states(uuid)).toEqual(['pending', 'scheduled']);
  const after = await target(uuid);
  expect(after).toMatchObject({ apps: before.apps.replace('"redis:7-alpine"', '"redis:7.5-alpine"'), version: 4 });
  expect(after.apps).not.toBe(before.apps);
  expect(after.updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime());

  const events = await stack.pool.query<{ type: string }>(
    'select type from rollout_events where rollout_id = $1 order by id',
    [rolloutId],
  );
  expect(events.rows.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      'image.webhook_received',
      'rollout.planned',
      'rollout.batch_started',
      'device.update_scheduled',
    ]),
  );
  // The same push again is the same rollout, and nothing is started for it.
  expect((await stack.push('redis', '7.5-alpine')).body).toMatchObject({ outcome: 'duplicate', rollout_id: rolloutId });
  expect(await stack.executions('rollout:docker.io/library/redis:7.5-alpine')).toBe(1);
});

async function target(uuid: string): Promise<{ apps: string; version: number; updatedAt: Date }> {
  const { rows } = await stack.pool.query<{ apps: string; version: number; updatedAt: Date }>(
    'select apps::text as apps, version, updated_at as "updatedAt" from device_target_state where device_uuid = $1',
    [uuid],
  );
  if (rows[0] === undefined) throw new Error(`device ${uuid} has no target state`);
  return rows[0];
}

/** `pending` lasts for milliseconds: a trigger of the test's own writes down every state a device enters. */
async function recordStates(): Promise<void> {
  await stack.pool.query(`
    create table entered (id bigint generated always as identity, device_uuid uuid, status text);
    create function note_entered() returns trigger language plpgsql as $$
    begin insert into public.entered (device_uuid, status) values (new.device_uuid, new.status); return null; end $$;
    create trigger note_entered after insert or update of status on device_rollout_status for each row execute function note_entered()`);
}

async function states(uuid: string): Promise<string[]> {
  const { rows } = await stack.pool.query<{ status: string }>(
    'select status from entered where device_uuid = $1 order by id',
    [uuid],
  );
  return rows.map(({ status }) => status);
}
