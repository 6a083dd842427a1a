import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { appWith, deviceRows, seedDevices } from '../support/fleet-fixture';
import { editEach } from '../support/operator-edits';
import { until } from '../support/outage';
import { hasty, startTestStack, type TestStack } from '../support/stack-fixture';

const DEVICES = 2500;
/** Edits of each device in one test: 10,000 in all, one in ten of them over HTTP. */
const ROUNDS = 4;

let stack: TestStack;
let devices: string[];

beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(async () => {
  await stack.close();
});
beforeEach(async () => {
  await stack.pool.query('truncate devices, image_rollouts, image_update_policies cascade');
});

async function seedFleet(image: string): Promise<void> {
  devices = (await seedDevices(stack.pool, DEVICES, () => withEnvironment(appWith(image)))).map(({ uuid }) => uuid);
}

function withEnvironment(apps: Record<string, unknown>): Record<string, unknown> {
  const app = apps['1002'] as { services: object[] };
  return { '1002': { ...app, services: app.services.map((service) => ({ ...service, environment: {} })) } };
}

/** Whatever was told is confirmed at once, for all devices in one statement: the writes are what is looked at. */
async function confirm(rolloutId: string, workflowId: string, from: string, to: string): Promise<void> {
  const moved = await stack.pool.query(
    'update device_rollout_status set status = $3 where rollout_id = $1 and status = $2',
    [rolloutId, from, to],
  );
  if (moved.rowCount === 0) return;
  await (await client()).workflow.getHandle(workflowId).signal('health', {});
}

let connected: ReturnType<TestStack['temporalClient']> | undefined;
const client = () => (connected ??= stack.temporalClient());

interface Outcome {
  image: string;
  edits: number;
  version: number;
  targetVersion: number;
}

async function outcomes(rolloutId: string): Promise<Outcome[]> {
  const { rows } = await stack.pool.query<Outcome>(
    `select t.apps #>> '{1002,services,0,imageName}' as image, t.version, s.target_version as "targetVersion",
            (select count(*)::int from jsonb_object_keys(t.apps #> '{1002,services,0,environment}')) as edits
       from device_target_state t join device_rollout_status s on s.device_uuid = t.device_uuid and s.rollout_id = $1`,
    [rolloutId],
  );
  return rows;
}

const startedBatches = async (rolloutId: string) =>
  (await stack.pool.query('select from rollout_batches where rollout_id = $1 and started_at is not null', [rolloutId]))
    .rowCount ?? 0;

test('10,000 edits of target state during a rollout: each is there, and so is the new image', async () => {
  await stack.policy({
    ...hasty,
    image_pattern: 'redis:*',
    batches: [{ percent: 10 }, { percent: 40 }, { percent: 70 }, { percent: 100 }],
  });
  await seedFleet('redis:7-alpine');
  const rolloutId = String((await stack.push('redis', '7.5-alpine')).body['rollout_id']);
  const workflowId = 'rollout:docker.io/library/redis:7.5-alpine';

  // Each round of edits waits for its batch to begin, and each batch is confirmed only amid its round: they meet in every batch.
  const done = Array.from({ length: ROUNDS }, () => 0);
  const editing = (async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await until(async () => (await startedBatches(rolloutId)) > round, 60_000);
      await editEach(stack, devices, `ROUND_${String(round)}`, () => {
        done[round] = (done[round] ?? 0) + 1;
      });
    }
  })();
  const confirming = (async () => {
    while (!['completed', 'failed', 'rolled_back'].includes(await stack.rolloutStatus(rolloutId))) {
      const batch = (await startedBatches(rolloutId)) - 1;
      if (batch >= 0 && (done[batch] ?? 0) > DEVICES / 3)
        await confirm(rolloutId, workflowId, 'scheduled', 'completed');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await Promise.all([editing, confirming]);

  expect(await stack.rolloutStatus(rolloutId)).toBe('completed');
  const found = await outcomes(rolloutId);
  expect(found).toHaveLength(DEVICES);
  expect(
    found.filter(
      ({ image, edits, version }) => image !== 'redis:7.5-alpine' || edits !== ROUNDS || version !== 3 + ROUNDS + 1,
    ),
  ).toEqual([]);
  // They did race: devices were written between two edits of theirs.
  expect(
    found.filter(({ targetVersion, version }) => targetVersion > 4 && targetVersion < version).length,
  ).toBeGreaterThan(DEVICES / 10);
}, 600_000);

test('10,000 edits of target state during a rollback: each is there, and so is the previous image', async () => {
  await stack.policy({ ...hasty, image_pattern: 'redis:*', update_strategy: 'auto', batches: undefined });
  await seedFleet('redis:7-alpine');
  const rolloutId = String((await stack.push('redis', '7.6-alpine')).body['rollout_id']);
  const workflowId = 'rollout:docker.io/library/redis:7.6-alpine';
  await until(
    async () =>
      (await stack.pool.query(`select from device_rollout_status where status = 'scheduled'`)).rowCount === DEVICES,
  );

  let edits = 0;
  const editing = (async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await editEach(stack, devices, `ROUND_${String(round)}`, () => {
        edits += 1;
      });
    }
  })();
  await until(() => Promise.resolve(edits > DEVICES / 4));
  const commanded = await stack.call('POST', `/rollouts/${rolloutId}/rollback`, { reason: 'a test' });
  expect(commanded.status).toBe(202);
  await stack.reaches(rolloutId, ['rolling_back']);
  await until(async () => {
    await confirm(rolloutId, workflowId, 'rolling_back', 'rolled_back');
    return (await stack.rolloutStatus(rolloutId)) !== 'rolling_back';
  }, 60_000);
  await editing;

  expect(await stack.rolloutStatus(rolloutId)).toBe('rolled_back');
  const found = await outcomes(rolloutId);
  expect(found).toHaveLength(DEVICES);
  expect(
    found.filter(
      ({ image, edits: own, version }) => image !== 'redis:7-alpine' || own !== ROUNDS || version !== 3 + ROUNDS + 2,
    ),
  ).toEqual([]);
  expect(
    found.filter(({ targetVersion, version }) => targetVersion > 5 && targetVersion < version).length,
  ).toBeGreaterThan(DEVICES / 20);
}, 600_000);

test('two tags of one image pushed at once: no device is in two, the newer one takes all, both end', async () => {
  await stack.policy({ ...hasty, image_pattern: 'redis:*' });
  const fleet = await stack.devices(Array.from({ length: 60 }, () => appWith('redis:7-alpine')));
  stack.play(fleet);
  await until(async () => (await stack.pool.query('select from device_current_state')).rowCount === fleet.length);

  const answers = await Promise.all(['8.0', '8.1'].map((tag) => stack.push('redis', tag)));
  expect(answers.map(({ status, body }) => [status, body['outcome']])).toEqual([
    [202, 'started'],
    [202, 'started'],
  ]);
  const ids = answers.map(({ body }) => String(body['rollout_id']));
  for (const id of ids) await stack.reaches(id, ['completed', 'superseded']);

  const { rows: order } = await stack.pool.query<{ id: string; tag: string; status: string }>(
    'select id, tag, status from image_rollouts order by created_at, id',
  );
  // Planned first, the older one loses its devices; planned second, it leaves them to the newer one and has nothing to do.
  expect(order.map(({ status }) => status)).toEqual([expect.stringMatching(/^(superseded|completed)$/), 'completed']);
  const winner = order[1];
  expect(await deviceRows(stack.pool, winner?.id ?? '')).toHaveLength(fleet.length);
  const images = await stack.pool.query<{ image: string }>(
    `select distinct apps #>> '{1002,services,0,imageName}' as image from device_target_state`,
  );
  expect(images.rows).toEqual([{ image: `redis:${winner?.tag ?? ''}` }]);
});
