import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { planRollout } from '../../src/db/plan-rollout';
import { readRollout } from '../../src/db/rollout-facts';
import { addPolicy } from '../support/intake';
import { appWith, seedDevices, type SeededDevice } from '../support/fleet-fixture';
import { startApiRig, type ApiRig, type Reply } from './api-rig';

const TABLES = ['image_rollouts', 'rollout_events', 'device_rollout_status', 'rollout_batches', 'image_holds'];

let rig: ApiRig;
beforeEach(async () => {
  rig = await startApiRig();
  await addPolicy(rig.database.pool, 'redis:*');
});
afterEach(() => rig.close());

const pool = () => rig.database.pool;
const preview = (body: object = {}): Promise<Reply> =>
  rig.admin('POST', '/api/v1/rollouts/preview', { image: 'redis', tag: '7.5', ...body });
const trigger = (body: object = {}): Promise<Reply> =>
  rig.admin('POST', '/api/v1/images/trigger-update', { image: 'redis', tag: '7.5', ...body });

async function hash(): Promise<string> {
  const { json, text } = await preview();
  if (typeof json.plan_hash !== 'string') throw new Error(text);
  return json.plan_hash;
}
async function plan(id: string): Promise<void> {
  const rollout = await readRollout(pool(), id);
  if (rollout === null) throw new Error('no rollout');
  await planRollout(pool(), rollout);
}
async function everything(): Promise<unknown[]> {
  const counts = await Promise.all(TABLES.map((table) => pool().query(`select count(*) from ${table}`)));
  const versions = await pool().query('select sum(version) as versions from device_target_state');
  return [...counts.map((count) => count.rows[0]), versions.rows[0]];
}
const fleet = (count: number): Promise<SeededDevice[]> => seedDevices(pool(), count, () => appWith('redis:7.4'));

test('a preview tells policy, outcome and plan, and changes nothing', async () => {
  await fleet(20);
  await seedDevices(pool(), 3, () => appWith('redis:7.5'));
  const before = await everything();
  const { status, json } = await preview();
  expect(status).toBe(200);
  expect(json).toMatchObject({ image: 'redis', tag: '7.5', outcome: 'started', policy: { pattern: 'redis:*' } });
  expect(json.policy.candidates).toHaveLength(1);
  expect(json.plan.counts).toEqual({ planned: 20, offline: 0, already_on_target: 3, left_out: 0 });
  expect(json.plan.batches.map((batch: any) => [batch.number, batch.planned, batch.device_uuids.length])).toEqual([
    [1, 2, 2],
    [2, 8, 8],
    [3, 10, 10],
  ]);
  expect(await everything()).toEqual(before);
  expect(await hash()).toBe(json.plan_hash);
});

test('10,000 devices: triggered with its hash, the plan is the preview, device by device', async () => {
  await fleet(10_000);
  const { json } = await preview();
  expect(json.plan.batches[2]).toMatchObject({ planned: 5000, more: 4500 });
  const started = await trigger({ plan_hash: json.plan_hash });
  expect(started).toMatchObject({ status: 202, json: { outcome: 'started' } });
  await plan(started.json.rollout_id);
  for (const { number, planned, device_uuids: named } of json.plan.batches) {
    const { rows } = await pool().query<{ uuid: string }>(
      'select device_uuid as uuid from device_rollout_status where rollout_id = $1 and batch = $2 order by device_uuid',
      [started.json.rollout_id, number],
    );
    expect(rows).toHaveLength(planned);
    expect(rows.slice(0, 500).map((row) => row.uuid)).toEqual(named);
  }
});

test.each<[string, string]>([
  [
    'a device that is new',
    `update devices set is_active = true where uuid = (select min(uuid::text)::uuid from devices)`,
  ],
  [
    'what a device runs now',
    `update device_target_state set apps = replace(apps::text, 'redis:7.4', 'redis:7.3')::jsonb where device_uuid = (select max(uuid::text)::uuid from devices)`,
  ],
  [
    'a device that went offline',
    `update devices set last_seen_at = now() - interval '1 hour' where uuid = (select device from first_device)`,
  ],
  ['a rule of the policy', `update image_update_policies set settings = settings || '{"batch_delay_seconds": 7}'`],
  [
    'a device that has left',
    `update devices set is_active = false where uuid = (select max(uuid::text)::uuid from devices)`,
  ],
])('%s changes the hash, and a push with the old one is refused without a trace', async (_, sql) => {
  await fleet(20);
  await pool().query('update devices set is_active = false where uuid = (select min(uuid::text)::uuid from devices)');
  const { json } = await preview();
  await pool().query('create table first_device as select $1::uuid as device', [json.plan.batches[0].device_uuids[0]]);
  await pool().query(sql);
  const before = await everything();
  const refused = await trigger({ plan_hash: json.plan_hash });
  expect(refused.status).toBe(409);
  expect(refused.json).toMatchObject({ type: 'urn:fleetwave:problem:plan-changed', plan_hash: await hash() });
  expect(refused.json.difference.devices.previewed).toBe(19);
  expect(await everything()).toEqual(before);
  expect((await trigger({ plan_hash: refused.json.plan_hash })).status).toBe(202);
});

test('outcomes that start nothing come without a plan', async () => {
  expect((await preview({ image: 'nginx' })).json).toMatchObject({ outcome: 'no_matching_policy', plan: null });
  expect((await trigger()).status).toBe(202);
  expect((await preview()).json).toMatchObject({ outcome: 'duplicate', plan: null, plan_hash: null });
});

test('it names the rollouts that would lose devices', async () => {
  await fleet(4);
  const older = (await trigger({ tag: '7.4.9' })).json.rollout_id;
  await plan(older);
  const { json } = await preview();
  expect(json.plan.takes_over_from).toMatchObject([{ rollout_id: older, tag: '7.4.9', devices: 4 }]);
});

test('an approval with a hash is refused when the stored plan is another', async () => {
  await fleet(10);
  const { json } = await preview();
  const { rollout_id: id } = (await trigger()).json;
  const approve = (planHash: string): Promise<Reply> =>
    rig.admin('POST', `/api/v1/rollouts/${id}/approve`, { plan_hash: planHash });
  await pool().query(`update image_rollouts set status = 'awaiting_approval', dispatched_at = now() where id = $1`, [
    id,
  ]);
  expect((await approve(json.plan_hash)).json.type).toBe('urn:fleetwave:problem:not-planned');
  await plan(id);
  expect((await approve(`3-7.${'0'.repeat(64)}`)).json).toMatchObject({
    status: 409,
    plan_hash: json.plan_hash,
    difference: { devices: { previewed: 10, now: 10 } },
  });
  expect(rig.temporal.signals).toEqual([]);
  expect((await approve(json.plan_hash)).status).toBe(202);
  expect(rig.temporal.signals).toHaveLength(1);
});

test.each([
  ['a plan_hash that is none', () => trigger({ plan_hash: 'x' })],
  ['two digests', () => preview({ image: `redis@sha256:${'a'.repeat(64)}`, digest: `sha256:${'b'.repeat(64)}` })],
])('422 for %s', async (_, ask) => {
  expect((await ask()).status).toBe(422);
});
